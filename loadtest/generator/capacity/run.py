"""Runs a capacity search in the generator: offers one rate after another until capacity is known or time is over."""

import time
from functools import partial
from typing import Any

from loadtest.generator.capacity.search import Search
from loadtest.generator.capacity.step import Counts, Step, StepJudge, StepVerdict
from loadtest.generator.loops.arrivals import Arrival, offsets_at
from loadtest.generator.loops.scheduler import Scheduler, ScheduleStart
from loadtest.generator.plan import CapacitySearchPlan


def search_capacity(load: CapacitySearchPlan, scheduler: Scheduler, start: ScheduleStart) -> dict[str, Any]:
    """Search for the plan's `duration_s` at most, from the rate that one client reached in the warm-up.

    Returns what the totals report: the `steps`, whose requests are in the rows of their phases. The capacity is
    estimated from the rows.
    """
    deadline_s = time.perf_counter() + load.duration_s
    search = Search(load, 1 / start.warm_up.median_s if start.warm_up.median_s else load.lowest_rps)
    steps: list[dict[str, Any]] = []
    while (step := search.next(deadline_s - time.perf_counter())) and not scheduler.over:
        phase = f"step-{len(steps) + 1}"
        verdict, counts = _offer(scheduler, load, step, phase)
        steps.append({"phase": phase, "rate_rps": step.rate_rps, "arrivals": step.arrivals, "verdict": verdict.value})
        scheduler.drain(to=search.most_in_flight_after(step))
        search.record(step, verdict, counts)
    return {"steps": steps}


def _offer(scheduler: Scheduler, load: CapacitySearchPlan, step: Step, phase: str) -> tuple[StepVerdict, Counts]:
    """Offer the step's rate until its verdict is known."""
    judge = StepJudge(load, step)
    begin_s = time.perf_counter()
    for offset_s in offsets_at(step.rate_rps, step.arrivals, step.seed):
        while judge.next_look_s < offset_s:
            look_s = judge.next_look_s
            scheduler.sleep_until(begin_s + look_s)
            if verdict := judge.verdict(look_s):
                return verdict, judge.counts(look_s)
        scheduler.sleep_until(begin_s + offset_s)
        if scheduler.over:
            break
        number = judge.add_due(offset_s)
        scheduler.send(Arrival(begin_s + offset_s, phase, partial(judge.add_end, number)))
    return StepVerdict.UNDECIDED, judge.counts(time.perf_counter() - begin_s)
