"""One step of a capacity search: whether this rate keeps the objective, said as soon as it is known.

Standard library only, and no clock: times are given, so that a simulated server can be judged as a real one is.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from statistics import median

from loadtest.generator.capacity.certify import breaks, clumping, fewest, keeps
from loadtest.generator.capacity.trend import trend_of

# A step is looked at many times, so what condemns it has to be surer than what ends it well.
_SURE = 0.999

# A backlog that takes in less than this share of the rate is never seen in a step.
_RESOLUTION = 0.002
# A queue near its capacity forgets a passing pause slowly, so a few in a row look like a backlog that grows: it has to
# have grown by so many times what latency ranges over within a window before it is certain.
_AGITATION = 2
# Nothing is certified while a growth of this share could still hide in the wandering of a random backlog, or of the
# search's precision where that is wider.
_CLEAR = 0.02

_WINDOWS = 12
_FEWEST_A_WINDOW = 4
# What a rate must show, at least, before the climb goes on to the next.
_GLANCE_REQUESTS, _GLANCE_S = 24, 2.0
# A step that is not decided after so many times the requests that can certify is left open.
_PATIENCE = 4


@dataclass(frozen=True)
class Objective:
    """The `quantile` of response time stays within `latency_s`, and no more than `error_ratio` fail."""

    quantile: float
    latency_s: float
    error_ratio: float
    precision: float = 0.0
    """How exactly the rate is wanted that keeps it, as a share."""


class Verdict(Enum):
    """`UNDECIDED`: after all patience, neither is shown. `PASSED`: good at a glance, which certifies nothing."""

    MEETS = "meets"
    FAILS = "fails"
    UNDECIDED = "undecided"
    PASSED = "passed"


class StepJudge:
    """Hears of every request as it becomes due and as it ends. All times are in seconds since the step began."""

    def __init__(self, objective: Objective, rate_rps: float, variability: float, *, glance: bool) -> None:
        """`glance`: the step is only on the way, and ends as soon as it looks good or fails.

        `variability` is the squared coefficient of variation of the service time. Arrivals are evenly spaced.
        """
        self._objective = objective
        self._rate_rps = rate_rps
        self._variability = variability
        self._clear = max(_CLEAR, objective.precision)
        self._glance = glance
        self._fewest = fewest(objective.quantile)
        self.longest_s = max(10.0, _PATIENCE * self._fewest / rate_rps + objective.latency_s)
        self._open: OrderedDict[int, float] = OrderedDict()
        self._ended: list[tuple[float, float, bool]] = []
        self._errors = 0

    def due(self, number: int, due_s: float) -> None:
        """Request `number` is due now; numbers ascend."""
        self._open[number] = due_s

    def ended(self, number: int, response_s: float, *, ok: bool) -> None:
        """It ended `response_s` after it was due."""
        self._ended.append((self._open.pop(number), response_s, ok))
        self._errors += not ok

    @property
    def in_flight(self) -> int:
        """Requests that are due and have not ended."""
        return len(self._open)

    def unseen(self, now_s: float) -> float:
        """The share of the rate that may stay behind unseen in a step of this length: three times the wander."""
        return max(_RESOLUTION, 3 * math.sqrt(self._variability / (self._rate_rps * now_s)))

    def verdict(self, now_s: float) -> Verdict | None:
        """What is known by `now_s`; None while the step has to go on."""
        missed, growth = self._missed(now_s), self._growth()
        # Misses that come in bursts are fewer pieces of news than they are.
        clump = max(clumping(missed), clumping(self._halfway()))
        effective, effective_missed = int(len(missed) / clump), math.ceil(sum(missed) / clump)
        if (
            growth is _Growth.CERTAIN
            or breaks(self._errors, len(missed), 1 - self._objective.error_ratio, _SURE)
            or breaks(effective_missed, effective, self._objective.quantile, _SURE)
        ):
            return Verdict.FAILS
        if growth is _Growth.NONE:
            if self._glance and len(missed) >= _GLANCE_REQUESTS and now_s >= _GLANCE_S and not any(missed):
                return Verdict.PASSED
            if self._is_enough(len(missed), now_s) and keeps(effective_missed, effective, self._objective.quantile):
                return Verdict.MEETS
        return Verdict.UNDECIDED if now_s > self.longest_s else None

    def _is_enough(self, known: int, now_s: float) -> bool:
        few_errors = self._errors <= self._objective.error_ratio * known
        return known >= self._fewest and self.unseen(now_s) <= self._clear and few_errors

    def _missed(self, now_s: float) -> list[bool]:
        """Of every request whose fate is known: also one that still waits, once it has waited for too long."""
        latest_s = self._objective.latency_s
        ended = [(due_s, not ok or response_s > latest_s) for due_s, response_s, ok in self._ended]
        overdue = [(due_s, True) for due_s in self._open.values() if now_s - due_s > latest_s]
        return [missed for _, missed in sorted(ended + overdue)]

    def _halfway(self) -> list[bool]:
        """Who came half the way from the median to the objective: where those clump, misses would, too."""
        if not self._ended:
            return []
        half_s = (median(response_s for _, response_s, _ in self._ended) + self._objective.latency_s) / 2
        return [not ok or response_s > half_s for _, response_s, ok in sorted(self._ended)]

    def _growth(self) -> "_Growth":
        """Whether a backlog grows, by the trend of windows of equal count.

        Latency that grows by g seconds a second says, in a queue that is served in order, that a share g of the rate
        stays behind. A random backlog wanders, too: after T seconds by √(variability · T / rate), as a Brownian motion
        does (heavy traffic: Kingman, 1962), so that only what goes beyond that is growth. And near the capacity the
        longest pause so far is hardly forgotten, so that latency climbs from pause to pause: it ends with the longest.
        """
        size = len(self._ended) // _WINDOWS
        if size < _FEWEST_A_WINDOW:
            return _Growth.NONE
        in_order = sorted(self._ended)[-size * _WINDOWS :]
        windows = [[r for _, r, _ in in_order[at : at + size]] for at in range(0, size * _WINDOWS, size)]
        trend = trend_of([median(window) for window in windows])
        lasted_s = in_order[-1][0] - in_order[0][0]
        grown_s, wander_s = trend.slope * _WINDOWS, math.sqrt(self._variability * lasted_s / self._rate_rps)
        agitation_s = max(max(window) - min(window) for window in windows)
        certain_s = max(_RESOLUTION / 2 * lasted_s, 3 * wander_s, _AGITATION * agitation_s)
        if grown_s > certain_s and trend.significant(_SURE):
            return _Growth.CERTAIN
        possible = grown_s > max(_RESOLUTION / 2 * lasted_s, wander_s) and trend.significant(0.95)
        return _Growth.POSSIBLE if possible else _Growth.NONE


class _Growth(Enum):
    NONE = 0
    POSSIBLE = 1
    CERTAIN = 2
