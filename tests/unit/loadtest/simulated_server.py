"""A queue on a clock of its own: c workers serve in order, and a capacity search sends requests without waiting."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from loadtest.generator.capacity.search import CapacityEstimate, Search, Step
from loadtest.generator.capacity.step import StepJudge, Verdict
from loadtest.generator.loops.arrivals import CONSTANT, offsets_at
from loadtest.generator.plan import CapacitySearchPlan

LOOK_S = 0.25


@dataclass
class SimulatedServer:
    """`service_s` draws the time that one request takes one of the workers; `noise_s` is what the way adds.

    `pauses`, in which no request gets through, are so many a second, of so many seconds on average.
    """

    workers: int
    service_s: Callable[[random.Random], float]
    noise_s: float = 0.0005
    pauses: tuple[float, float] | None = None
    service_variation: float = 0.0
    seed: int = 0
    now_s: float = 0.0
    steps: list[tuple[Step, Verdict, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def judge(self, load: CapacitySearchPlan, step: Step) -> tuple[Verdict, float]:
        """Offer the step's rate to an idle server until the step is judged."""
        judge = StepJudge(load, step.rate_rps, self.service_variation, quick=step.quick)
        free = [0.0] * self.workers
        ends: list[tuple[float, int, float]] = []
        looks = (LOOK_S * n for n in count(1))
        look_s = next(looks)
        arrived_s = self._way()
        for number, due_s in enumerate(offsets_at(step.rate_rps, CONSTANT, seed=0)):
            while look_s < due_s:
                while ends and ends[0][0] <= look_s:
                    end_s, ended, ended_due_s = heapq.heappop(ends)
                    judge.add_end(ended, end_s - ended_due_s, ok=True)
                if verdict := judge.verdict(look_s):
                    self.steps.append((step, verdict, look_s))
                    self.now_s += look_s
                    return verdict, judge.undetectable_growth(look_s)
                look_s = next(looks)
            judge.add_due(number, due_s)
            end_s = max(arrived_s(due_s), heapq.heappop(free)) + self.service_s(self._random)
            heapq.heappush(free, end_s)
            heapq.heappush(ends, (end_s + self._random.expovariate(1 / self.noise_s), number, due_s))
        raise AssertionError("arrivals never end")

    def _way(self) -> Callable[[float], float]:
        """When a request arrives that is sent at a time; times ascend."""
        if self.pauses is None:
            return lambda sent_s: sent_s
        pauses_per_s, mean_s = self.pauses
        began_s = ended_s = 0.0

        def arrived_s(sent_s: float) -> float:
            nonlocal began_s, ended_s
            while ended_s <= sent_s:
                began_s = ended_s + self._random.expovariate(pauses_per_s)
                ended_s = began_s + self._random.expovariate(1 / mean_s)
            return ended_s if began_s <= sent_s else sent_s

        return arrived_s

    def search(self, load: CapacitySearchPlan, start_rps: float) -> tuple[CapacityEstimate | None, Search]:
        search = Search(load, start_rps)
        while step := search.next():
            search.record(step, *self.judge(load, step))
        return search.estimate(), search
