"""One step of a capacity search: judges as early as possible whether a rate meets the objective.

Standard library only. It reads no clock, so that tests can judge a simulated server.
"""

import math
from collections import OrderedDict
from enum import Enum
from statistics import median

from loadtest.generator.capacity.certify import autocorrelation_time, fails_quantile, meets_quantile, required_requests
from loadtest.generator.capacity.trend import trend_of
from loadtest.generator.plan import CapacitySearchPlan

# A step is judged many times, so failing needs a higher confidence than meeting the objective.
_FAIL_CONFIDENCE = 0.999

# A backlog that grows by less than this share of the rate is never detected in a step.
_RESOLUTION = 0.002
# Near its capacity a queue recovers slowly from a pause, so a few pauses in a row look like a growing backlog: growth
# is certain only beyond this multiple of the range of latency within a window.
_WINDOW_RANGES = 2
# No rate is certified while a growth of this share, or of the search's precision if that is more, may be undetected.
_MAX_UNDETECTED = 0.02

_WINDOWS = 12
_FEWEST_A_WINDOW = 4
# The least requests and seconds of a quick step.
_QUICK_REQUESTS, _QUICK_S = 24, 2.0
# A step ends undecided after this multiple of the requests that can certify a rate.
_LONGEST = 4


class Verdict(Enum):
    """`UNDECIDED`: the step ended before either was shown. `PASSED`: a quick step looked good; it certifies nothing."""

    MEETS = "meets"
    FAILS = "fails"
    UNDECIDED = "undecided"
    PASSED = "passed"


class StepJudge:
    """Judges a step by its requests. All times are in seconds since the step began."""

    def __init__(self, load: CapacitySearchPlan, rate_rps: float, variability: float, *, quick: bool) -> None:
        """A `quick` step ends as soon as it looks good or fails.

        `variability` is the squared coefficient of variation of the service time. Arrivals are evenly spaced.
        """
        self._load = load
        self._rate_rps = rate_rps
        self._variability = variability
        self._max_undetected = max(_MAX_UNDETECTED, load.precision)
        self._quick = quick
        self._required = required_requests(load.quantile)
        self.longest_s = max(10.0, _LONGEST * self._required / rate_rps + load.latency_s)
        self._open: OrderedDict[int, float] = OrderedDict()
        self._ended: list[tuple[float, float, bool]] = []
        self._errors = 0

    def add_due(self, number: int, offset_s: float) -> None:
        """Request `number` is due now; numbers ascend."""
        self._open[number] = offset_s

    def add_end(self, number: int, response_s: float, ok: bool) -> None:  # noqa: FBT001 (the signature of a callback)
        """Request `number` ended `response_s` after it was due."""
        self._ended.append((self._open.pop(number), response_s, ok))
        self._errors += not ok

    def undetectable_growth(self, now_s: float) -> float:
        """The share of the rate by which a backlog can grow undetected in a step of this length.

        Three times the random variation of a backlog.
        """
        return max(_RESOLUTION, 3 * math.sqrt(self._variability / (self._rate_rps * now_s)))

    def verdict(self, now_s: float) -> Verdict | None:
        """The verdict at `now_s`; None while the step has to go on."""
        missed, growth = self._missed(now_s), self._growth()
        # Misses in bursts are not independent, so they count as fewer.
        burst = max(autocorrelation_time(missed), autocorrelation_time(self._halfway()))
        effective, effective_missed = int(len(missed) / burst), math.ceil(sum(missed) / burst)
        if (
            growth is _Growth.CERTAIN
            or fails_quantile(self._errors, len(missed), 1 - self._load.error_ratio, _FAIL_CONFIDENCE)
            or fails_quantile(effective_missed, effective, self._load.quantile, _FAIL_CONFIDENCE)
        ):
            return Verdict.FAILS
        if growth is _Growth.NONE:
            if self._quick and len(missed) >= _QUICK_REQUESTS and now_s >= _QUICK_S and not any(missed):
                return Verdict.PASSED
            is_enough = (
                len(missed) >= self._required
                and self.undetectable_growth(now_s) <= self._max_undetected
                and self._errors <= self._load.error_ratio * len(missed)
            )
            if is_enough and meets_quantile(effective_missed, effective, self._load.quantile):
                return Verdict.MEETS
        return Verdict.UNDECIDED if now_s > self.longest_s else None

    def _missed(self, now_s: float) -> list[bool]:
        """Whether each request with a known result missed the objective; one that waits for too long has missed it."""
        latest_s = self._load.latency_s
        ended = [(offset_s, not ok or response_s > latest_s) for offset_s, response_s, ok in self._ended]
        overdue = [(offset_s, True) for offset_s in self._open.values() if now_s - offset_s > latest_s]
        return [missed for _, missed in sorted(ended + overdue)]

    def _halfway(self) -> list[bool]:
        """Whether each request took more than halfway from the median to the limit: misses come in the same bursts."""
        if not self._ended:
            return []
        half_s = (median(response_s for _, response_s, _ in self._ended) + self._load.latency_s) / 2
        return [not ok or response_s > half_s for _, response_s, ok in sorted(self._ended)]

    def _growth(self) -> "_Growth":
        """Whether a backlog grows, by the trend of windows of equal count.

        In a queue that is served in order, latency that grows by g seconds per second means that a share g of the rate
        is not served. A random backlog varies, too: after T seconds by √(variability · T / rate), as a Brownian motion
        does (heavy traffic: Kingman, 1962), so only what is beyond that is growth. And near the capacity a queue hardly
        recovers from its longest pause, so latency climbs from pause to pause until the longest has come.
        """
        size = len(self._ended) // _WINDOWS
        if size < _FEWEST_A_WINDOW:
            return _Growth.NONE
        in_order = sorted(self._ended)[-size * _WINDOWS :]
        windows = [[r for _, r, _ in in_order[at : at + size]] for at in range(0, size * _WINDOWS, size)]
        trend = trend_of([median(window) for window in windows])
        lasted_s = in_order[-1][0] - in_order[0][0]
        grown_s, variation_s = trend.slope * _WINDOWS, math.sqrt(self._variability * lasted_s / self._rate_rps)
        range_s = max(max(window) - min(window) for window in windows)
        certain_s = max(_RESOLUTION / 2 * lasted_s, 3 * variation_s, _WINDOW_RANGES * range_s)
        if grown_s > certain_s and trend.significant(_FAIL_CONFIDENCE):
            return _Growth.CERTAIN
        possible = grown_s > max(_RESOLUTION / 2 * lasted_s, variation_s) and trend.significant(0.95)
        return _Growth.POSSIBLE if possible else _Growth.NONE


class _Growth(Enum):
    NONE = 0
    POSSIBLE = 1
    CERTAIN = 2
