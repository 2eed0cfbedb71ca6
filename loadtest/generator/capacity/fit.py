"""The capacity that the steps of a search suggest, and how certain it is. Standard library only.

It decides only which rate comes next and when the search ends: the capacity that is reported is estimated from the rows
(analysis.capacity.fit), by such a line with finer numbers, and with a dispersion for all steps together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.generator.capacity.step import Counts

# The slope before any data, _NEAR and _MOST are those of analysis.capacity.fit, which says why; the pod lacks it.
_SLOPE_OF_BURSTS, _SLOPE_OF_FAILURES, _SLOPE_SD = 1.3, 12.0, 0.5
_DEVIATIONS = tuple(step / 2 for step in range(-5, 6))
_RATES = 120
# The likelihood is computed from its maximum outwards until its logarithm is so much lower.
_NEGLIGIBLE = 25.0
# `math.exp` raises OverflowError for more than 709.
_LARGEST_EXPONENT = 700.0
# A rate farther from the capacity than by this factor says nothing of the slope at it.
_NEAR = 1.22
# A queue that overflows misses more the longer it is observed: beyond this multiple of the allowed share it only fails.
_MOST = 5.0


@dataclass(frozen=True)
class CapacityFit:
    """The capacity with its 95 % interval, and the dispersion of the misses near it."""

    value_rps: float
    low_rps: float
    high_rps: float
    dispersion: float

    @property
    def width(self) -> float:
        """The relative width of the interval."""
        return self.high_rps / self.low_rps - 1


def fit_capacity(
    steps: Sequence[Counts], share: float, highest_rps: float, *, only_failures: bool = False
) -> CapacityFit:
    """Fit the logit of the share of misses as a line in the logarithm of the rate; `share` is the one that is allowed.

    The quasi-likelihood of the misses with their dispersion and with what is known of the slope, integrated over both.
    """
    counted = [step for step in steps if step.requests]
    kept_rps = max((step.rate_rps for step in counted if step.missed <= share * step.requests), default=0.0)
    near = counted
    fit = _fit(near, share, highest_rps, only_failures=only_failures)
    for _ in range(2):
        # From the highest rate that did not miss too much on: without it, rates that all overflow have no end.
        low_rps, high_rps = min(kept_rps, fit.value_rps) / _NEAR, fit.value_rps * _NEAR
        nearer = [step for step in counted if low_rps <= step.rate_rps <= high_rps] or counted
        if nearer == near:
            break
        near = nearer
        fit = _fit(near, share, highest_rps, only_failures=only_failures)
    return fit


def _fit(
    steps: Sequence[Counts],
    share: float,
    highest_rps: float,
    *,
    only_failures: bool,
) -> CapacityFit:
    most = min(0.5, _MOST * share)
    within = [step for step in steps if step.missed <= most * step.requests]
    worth = _dispersion(within)
    top = math.log(highest_rps)
    bottom = min(*(math.log(step.rate_rps) for step in steps), top) - 1
    log_rates = [bottom + (top - bottom) * (index + 0.5) / _RATES for index in range(_RATES)]
    usual_slope = _SLOPE_OF_BURSTS * math.sqrt(worth * math.log(1 / share))
    slope_sd = _SLOPE_SD * (1 + 1 / worth)
    if only_failures:
        usual_slope, slope_sd = _SLOPE_OF_FAILURES, _SLOPE_SD
    likelihood = _Likelihood(steps, share, most, worth)
    of_slopes = []
    for deviation in _DEVIATIONS:
        slope = usual_slope * math.exp(slope_sd * deviation)
        of_slopes.append(likelihood.of_slope(slope, -0.5 * deviation**2))
    logs = _logs_near_the_best(of_slopes, log_rates)
    best, at = max((max(each), index) for index, each in enumerate(logs) if each)
    likely = [math.fsum(math.exp(log - best) for log in each) for each in logs]
    low, high = (math.exp(_quantile(log_rates, likely, each)) for each in (0.025, 0.975))
    value = math.exp(log_rates[at])
    return CapacityFit(value, min(low, value), max(high, value), worth)


class _Likelihood:
    """The likelihood of a capacity and a slope.

    It is computed hundreds of times while requests are in flight, so what does not depend on the capacity is computed
    once for all slopes, or once for a slope.
    """

    def __init__(self, steps: Sequence[Counts], share: float, most: float, worth: float) -> None:
        self._target, self._highest, self._most = math.log(share / (1 - share)), math.log(most / (1 - most)), most
        self._centre = math.fsum(math.log(step.rate_rps) for step in steps) / len(steps)
        self._counted: list[tuple[float, float]] = []
        self._overflowed: list[tuple[float, float]] = []
        self._misses = self._misses_at = 0.0
        for step in steps:
            at = math.log(step.rate_rps) - self._centre
            requests, ratio = step.requests / worth, step.missed / step.requests
            if ratio < most:
                self._counted.append((requests, at))
                self._misses += requests * ratio
                self._misses_at += requests * ratio * at
            else:
                self._overflowed.append((requests, at))

    def of_slope(self, slope: float, log_prior: float) -> Callable[[float], float]:
        """The logarithm of prior and likelihood as a function of the capacity's logarithm."""
        target, highest, most, centre = self._target, self._highest, self._most, self._centre
        misses, overflowed = self._misses, self._overflowed
        # The odds of a miss are those at the centre times this.
        counted = [(requests, _exp(slope * at)) for requests, at in self._counted]
        of_misses = misses * target + slope * self._misses_at

        def log_likelihood(log_capacity: float) -> float:
            capacity_at = log_capacity - centre
            odds = _exp(target - slope * capacity_at)
            found = log_prior + of_misses - misses * slope * capacity_at
            found -= sum([requests * math.log1p(odds * more) for requests, more in counted])
            for requests, at in overflowed:
                # Of a rate that overflows it is only known that it misses so much, or more.
                logit = min(highest, target + slope * (at - capacity_at))
                found += requests * (most * logit - math.log1p(math.exp(logit)))
            return found

        return log_likelihood


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, _LARGEST_EXPONENT))


def _logs_near_the_best(of_slopes: Sequence[Callable[[float], float]], log_rates: Sequence[float]) -> list[list[float]]:
    """The logarithms of the likelihoods that matter at each rate, of any slope.

    Of each slope from near its maximum outwards, which is near that of the slope before. The usual slope is in the
    middle and comes first: others are compared with the best so far.
    """
    logs: list[list[float]] = [[] for _ in log_rates]
    best, middle = -math.inf, len(of_slopes) // 2
    usual_at = len(log_rates) // 2
    for order in (range(middle, len(of_slopes)), range(middle - 1, -1, -1)):
        at = usual_at
        for number in order:
            found = _outwards_from(at, of_slopes[number], log_rates, best)
            at = max(found, key=found.__getitem__)
            best = max(best, found[at])
            if number == middle:
                usual_at = at
            for index, log in found.items():
                logs[index].append(log)
    return logs


def _outwards_from(
    start: int, log_at: Callable[[float], float], log_rates: Sequence[float], best: float
) -> dict[int, float]:
    """The values of a concave function by the index of the rate, on both sides until they fall and are negligible."""
    found = {start: log_at(log_rates[start])}
    for way in (range(start + 1, len(log_rates)), range(start - 1, -1, -1)):
        last = found[start]
        for index in way:
            log = found[index] = log_at(log_rates[index])
            best = max(best, log)
            if log <= last and log < best - _NEGLIGIBLE:
                break
            last = log
    return found


def _dispersion(steps: Sequence[Counts]) -> float:
    """The mean of the steps."""
    requests = sum(step.requests for step in steps)
    if not requests:
        return 1.0
    return sum(step.requests * step.dispersion for step in steps) / requests


def _quantile(log_rates: list[float], likely: list[float], share: float) -> float:
    total, below, width = math.fsum(likely), 0.0, log_rates[1] - log_rates[0]
    for log_rate, each in zip(log_rates, likely, strict=True):
        within = each / total
        if below + within >= share:
            return log_rate + width * ((share - below) / within - 0.5)
        below += within
    return log_rates[-1] + width / 2
