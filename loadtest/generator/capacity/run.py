"""A capacity search as the generator runs it: offers one rate after another and lets each be judged."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from loadtest.generator.capacity.search import Search, Step
from loadtest.generator.capacity.step import Objective, StepJudge, Verdict
from loadtest.generator.loops.arrivals import CONSTANT, arrivals_at
from loadtest.generator.loops.open_loop import Player
from loadtest.generator.loops.warm_up import Warmth
from loadtest.generator.plan import SearchOrder

# A step is looked at so often at first, and every twentieth of its age later: looking takes longer then.
_LOOK_S, _LOOKS = 0.25, 20


@dataclass(frozen=True)
class MadeStep:
    """A step as the totals say it; its figures are in the rows of its phase."""

    phase: str
    rate_rps: float
    verdict: str


class CapacityRun:
    """Drives a `Search` through a `Player`."""

    def __init__(self, order: SearchOrder, player: Player) -> None:
        self._order = order
        self._player = player
        self._objective = Objective(order.quantile, order.latency_s, order.error_ratio, order.precision)
        self._made: list[MadeStep] = []
        self._found: dict[str, Any] | None = None
        self._out_of_time = False

    def run(self, warmth: Warmth, duration_s: float) -> None:
        """Search for `duration_s` at most, from the rate that one client reached in the warm-up."""
        order = self._order
        start_rps = 1 / warmth.typical_s if warmth.typical_s else order.lowest_rps
        search = Search(start_rps, order.lowest_rps, order.highest_rps, order.precision)
        deadline_s = time.perf_counter() + duration_s
        while (step := search.next()) and not self._player.over:
            if time.perf_counter() > deadline_s:
                self._out_of_time = True
                break
            search.learn(step, *self._make(step, warmth.variability, deadline_s))
        if found := search.found():
            chosen = next(made for made in reversed(self._made) if self._certified(made, found.rate_rps))
            self._found = {
                "phase": chosen.phase, "rate_rps": found.rate_rps, "low_rps": found.low_rps, "high_rps": found.high_rps
            }  # fmt: skip

    @property
    def outcome(self) -> dict[str, Any]:
        """What the totals say of the search."""
        steps = [vars(made) for made in self._made]
        return {"steps": steps, "found": self._found, "out_of_time": self._out_of_time}

    @staticmethod
    def _certified(made: MadeStep, rate_rps: float) -> bool:
        return made.rate_rps == rate_rps and made.verdict == Verdict.MEETS.value

    def _make(self, step: Step, variability: float, deadline_s: float) -> tuple[Verdict, float]:
        """Offer the rate until its verdict is known, then let what is under way come back."""
        phase = f"step-{len(self._made) + 1}"
        judge = StepJudge(self._objective, step.rate_rps, variability, glance=step.glance)
        began_s = time.perf_counter()
        verdict = self._offer(step.rate_rps, phase, judge, min(deadline_s, began_s + 2 * judge.longest_s))
        lasted_s = time.perf_counter() - began_s
        self._made.append(MadeStep(phase, step.rate_rps, verdict.value))
        self._player.drain()
        return verdict, judge.unseen(lasted_s)

    def _offer(self, rate_rps: float, phase: str, judge: StepJudge, deadline_s: float) -> Verdict:
        began_s = time.perf_counter()
        look_s = _LOOK_S
        for number, due_s in enumerate(arrivals_at(rate_rps, CONSTANT, seed=0)):
            while look_s < due_s:
                self._player.sleep_until(began_s + look_s)
                if verdict := judge.verdict(look_s):
                    return verdict
                look_s += max(_LOOK_S, look_s / _LOOKS)
            self._player.sleep_until(began_s + due_s)
            if self._player.over or time.perf_counter() > deadline_s:
                break
            judge.due(number, due_s)
            self._player.send(began_s + due_s, phase, partial(_tell, judge, number))
        return Verdict.UNDECIDED


def _tell(judge: StepJudge, number: int, response_s: float, ok: bool) -> None:  # noqa: FBT001 (a callback's signature)
    judge.ended(number, response_s, ok=ok)
