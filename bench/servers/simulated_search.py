"""Plays a capacity search, with the generator's own code, against a simulated server on a clock of its own."""

import heapq
import math
from dataclasses import dataclass, field

import numpy as np

from analysis.capacity.requests import OfferedRate
from analysis.capacity.search import estimate_of
from analysis.interval import Interval
from analysis.objective import Objective
from bench.servers.simulated_server import ServerModel, SimulatedServer
from loadtest.generator.capacity.search import Search
from loadtest.generator.capacity.step import Counts, Step, StepJudge, StepVerdict
from loadtest.generator.loops.arrivals import POISSON, offsets_at
from loadtest.generator.plan import CapacitySearchPlan


@dataclass
class SimulatedSearch:
    """The steps of a search with their verdicts, the requests of each, and how long it took, in seconds."""

    steps: list[tuple[Step, StepVerdict]] = field(default_factory=list)
    offered: list[OfferedRate] = field(default_factory=list)
    took_s: float = 0.0

    def estimate(self, objective: Objective) -> Interval[float | None]:
        return estimate_of(self.offered, objective)


@dataclass(frozen=True)
class PlayedStep:
    """A step at its end: what was judged, its requests, and when those in flight are answered."""

    verdict: StepVerdict
    counts: Counts
    offered: OfferedRate
    ended_s: float
    in_flight_end_s: list[float]


def simulated_search(model: ServerModel, load: CapacitySearchPlan, seed: int) -> SimulatedSearch:
    """Search the capacity of `model` from the rate that one client reaches, as loadtest.generator.capacity.run does."""
    server, search, result = SimulatedServer(model, seed), Search(load, 1 / model.service_s), SimulatedSearch()
    now_s = 0.0
    while step := search.next(load.duration_s - now_s):
        played = play_step(server, load, step, now_s)
        result.steps.append((step, played.verdict))
        result.offered.append(played.offered)
        now_s = played.ended_s
        most = search.most_in_flight_after(step)
        if len(played.in_flight_end_s) > most:
            now_s = max(now_s, played.in_flight_end_s[-1 - most])
        search.record(step, played.verdict, played.counts)
    result.took_s = now_s
    return result


def play_step(server: SimulatedServer, load: CapacitySearchPlan, step: Step, begin_s: float) -> PlayedStep:
    """Offer the step's rate from `begin_s` on until it is judged."""
    judge = StepJudge(load, step)
    in_flight: list[tuple[float, int]] = []
    offsets_s: list[float] = []
    end_s: list[float] = []
    for offset_s in offsets_at(step.rate_rps, step.arrivals, step.seed):
        while judge.next_look_s < offset_s:
            look_s = judge.next_look_s
            while in_flight and in_flight[0][0] <= begin_s + look_s:
                ended_s, number = heapq.heappop(in_flight)
                judge.add_end(number, ended_s - begin_s - offsets_s[number], ok=math.isfinite(end_s[number]))
            if verdict := judge.verdict(look_s):
                response_s = np.array(end_s) - begin_s - offsets_s
                offered = OfferedRate(step.rate_rps, step.arrivals == POISSON, np.array(offsets_s), response_s)
                left_s = sorted(each for each, _ in in_flight)
                return PlayedStep(verdict, judge.counts(look_s), offered, begin_s + look_s, left_s)
        number = judge.add_due(offset_s)
        offsets_s.append(offset_s)
        end_s.append(server.end_s(begin_s + offset_s))
        # A refusal comes at once.
        heapq.heappush(in_flight, (end_s[-1] if math.isfinite(end_s[-1]) else begin_s + offset_s, number))
    raise AssertionError("arrivals never end")
