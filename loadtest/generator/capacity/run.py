"""Runs a capacity search in the generator: offers one rate after another until each is judged."""

import time
from functools import partial
from typing import Any

from loadtest.generator.capacity.search import Search, Step
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
    start_rps = 1 / start.warm_up.median_s if start.warm_up.median_s else load.lowest_rps
    search = Search(load, start_rps)
    run = _SearchRun(load, scheduler, start.warm_up.variability, time.perf_counter() + load.duration_s)
    out_of_time = False
    while (step := search.next()) and not scheduler.over:
        if out_of_time := run.is_out_of_time:
            break
        search.record(step, *run.make(step))
    return {"steps": run.steps, "estimate": run.result(search), "out_of_time": out_of_time}


class _SearchRun:
    """Makes the steps of a search. `deadline_s` is on the performance counter."""

    def __init__(self, load: CapacitySearchPlan, scheduler: Scheduler, variability: float, deadline_s: float) -> None:
        self._load = load
        self._scheduler = scheduler
        self._variability = variability
        self._deadline_s = deadline_s
        self.steps: list[dict[str, Any]] = []

    @property
    def is_out_of_time(self) -> bool:
        """Whether the time for the search is over."""
        return time.perf_counter() > self._deadline_s

    def make(self, step: Step) -> tuple[Verdict, float]:
        """Offer the rate until its verdict is known, then wait until no request is in flight."""
        phase = f"step-{len(self.steps) + 1}"
        judge = StepJudge(self._load, step.rate_rps, self._variability, quick=step.quick)
        begin_s = time.perf_counter()
        verdict = self._offer(step.rate_rps, phase, judge, min(self._deadline_s, begin_s + 2 * judge.longest_s))
        lasted_s = time.perf_counter() - begin_s
        self.steps.append({"phase": phase, "rate_rps": step.rate_rps, "verdict": verdict.value})
        self._scheduler.drain()
        return verdict, judge.undetectable_growth(lasted_s)

    def _offer(self, rate_rps: float, phase: str, judge: StepJudge, deadline_s: float) -> Verdict:
        begin_s = time.perf_counter()
        judge_s = _JUDGE_S
        for number, offset_s in enumerate(offsets_at(rate_rps, CONSTANT, seed=0)):
            while judge_s < offset_s:
                self._scheduler.sleep_until(begin_s + judge_s)
                if verdict := judge.verdict(judge_s):
                    return verdict
                judge_s += max(_JUDGE_S, judge_s / _JUDGE_FRACTION)
            self._scheduler.sleep_until(begin_s + offset_s)
            if self._scheduler.over or time.perf_counter() > deadline_s:
                break
            judge.add_due(number, offset_s)
            self._scheduler.send(Arrival(begin_s + offset_s, phase, partial(judge.add_end, number)))
        return Verdict.UNDECIDED

    def result(self, search: Search) -> dict[str, Any] | None:
        """The search's estimate, with the phase of the step that certified it."""
        if (estimate := search.estimate()) is None:
            return None
        certified = next(
            step
            for step in reversed(self.steps)
            if step["rate_rps"] == estimate.rate_rps and step["verdict"] == Verdict.MEETS.value
        )
        return {
            "phase": certified["phase"], "rate_rps": estimate.rate_rps, "low_rps": estimate.low_rps,
            "high_rps": estimate.high_rps,
        }  # fmt: skip
