"""Runs a capacity search in the generator: offers one rate after another until each is judged."""

import time
from dataclasses import asdict
from functools import partial
from typing import Any

from loadtest.generator.capacity.search import Search
from loadtest.generator.capacity.step import StepJudge, Verdict
from loadtest.generator.loops.arrivals import CONSTANT, Arrival, offsets_at
from loadtest.generator.loops.scheduler import Scheduler, ScheduleStart
from loadtest.generator.plan import CapacitySearchPlan

# How often a step is judged at first; later every twentieth of its age, since judging then takes longer.
_JUDGE_S, _JUDGE_FRACTION = 0.25, 20


def search_capacity(load: CapacitySearchPlan, scheduler: Scheduler, start: ScheduleStart) -> dict[str, Any]:
    """Search for the plan's `duration_s` at most, from the rate that one client reached in the warm-up.

    Returns what the totals report: `steps`, whose figures are in the rows of their phases, `estimate` and
    `out_of_time`.
    """
    deadline_s = time.perf_counter() + load.duration_s
    search = Search(load, 1 / start.warm_up.median_s if start.warm_up.median_s else load.lowest_rps)
    steps: list[dict[str, Any]] = []
    out_of_time = False
    while (step := search.next()) and not scheduler.over:
        if out_of_time := time.perf_counter() > deadline_s:
            break
        phase = f"step-{len(steps) + 1}"
        judge = StepJudge(load, step.rate_rps, start.warm_up.variability, quick=step.quick)
        begin_s = time.perf_counter()
        verdict = _offer(scheduler, step.rate_rps, phase, judge, min(deadline_s, begin_s + 2 * judge.longest_s))
        lasted_s = time.perf_counter() - begin_s
        steps.append({"phase": phase, "rate_rps": step.rate_rps, "verdict": verdict.value})
        scheduler.drain()
        search.record(step, verdict, judge.undetectable_growth(lasted_s))
    return {"steps": steps, "estimate": _estimate(search, steps), "out_of_time": out_of_time}


def _offer(scheduler: Scheduler, rate_rps: float, phase: str, judge: StepJudge, deadline_s: float) -> Verdict:
    """Offer the rate until its verdict is known. `deadline_s` is on the performance counter."""
    begin_s = time.perf_counter()
    judge_s = _JUDGE_S
    for number, offset_s in enumerate(offsets_at(rate_rps, CONSTANT, seed=0)):
        while judge_s < offset_s:
            scheduler.sleep_until(begin_s + judge_s)
            if verdict := judge.verdict(judge_s):
                return verdict
            judge_s += max(_JUDGE_S, judge_s / _JUDGE_FRACTION)
        scheduler.sleep_until(begin_s + offset_s)
        if scheduler.over or time.perf_counter() > deadline_s:
            break
        judge.add_due(number, offset_s)
        scheduler.send(Arrival(begin_s + offset_s, phase, partial(judge.add_end, number)))
    return Verdict.UNDECIDED


def _estimate(search: Search, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The search's estimate, with the phase of the step that certified it."""
    if (estimate := search.estimate()) is None:
        return None
    certified = next(
        step
        for step in reversed(steps)
        if step["rate_rps"] == estimate.rate_rps and step["verdict"] == Verdict.MEETS.value
    )
    return {"phase": certified["phase"], **asdict(estimate)}
