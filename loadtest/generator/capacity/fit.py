"""The capacity that the steps of a search suggest, and how certain it is. Standard library only.

It decides only which rate comes next and when the search ends: the capacity that is reported is estimated from the rows
(analysis.capacity.fit), by the same model with finer numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.generator.capacity.step import Counts, windows_s

# A test holds these constants equal to those of analysis.capacity.fit, which the pod does not have.
# The slope before any data: a log-normal distribution about 12.
_USUAL_SLOPE, _SLOPE_SD = 12.0, 0.6
_SLOPES = tuple(_USUAL_SLOPE * math.exp(_SLOPE_SD * step / 5) for step in range(-12, 13))
_RATES = 120
# A rate farther from the capacity than by this factor says nothing of the slope at it.
_NEAR = 1.22
# A queue that overflows misses more the longer it is observed: beyond this multiple of the allowed share it only fails.
_MOST = 5.0
_FEW_BURSTS = 10.0


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


def fit_capacity(steps: Sequence[Counts], share: float, latency_s: float, highest_rps: float) -> CapacityFit:
    """Fit the logit of the share of misses as a line in the logarithm of the rate; `share` is the one that is allowed.

    The quasi-likelihood of the misses with their dispersion and with the slope's own estimate, integrated over both.
    """
    counted = [step for step in steps if step.requests]
    kept_rps = max((step.rate_rps for step in counted if step.missed <= share * step.requests), default=0.0)
    near = counted
    for _ in range(3):
        fit = _fit(near, share, latency_s, highest_rps)
        # From the highest rate that did not miss too much on: without it, rates that all overflow have no end.
        low_rps, high_rps = min(kept_rps, fit.value_rps) / _NEAR, fit.value_rps * _NEAR
        near = [step for step in counted if low_rps <= step.rate_rps <= high_rps] or counted
    return fit


def _fit(steps: Sequence[Counts], share: float, latency_s: float, highest_rps: float) -> CapacityFit:
    most = min(0.5, _MOST * share)
    within = [step for step in steps if step.missed <= most * step.requests]
    worth = _dispersion(within)
    measured = _slope(within, latency_s, sum(step.missed for step in within) / worth)
    observed = [
        (math.log(step.rate_rps), step.requests / worth, min(step.missed / step.requests, most)) for step in steps
    ]
    highest = math.log(most / (1 - most))
    target, top = math.log(share / (1 - share)), math.log(highest_rps)
    bottom = min(*(at for at, _, _ in observed), top) - 1
    log_rates = [bottom + (top - bottom) * (index + 0.5) / _RATES for index in range(_RATES)]
    logs = []
    for log_rate in log_rates:
        row = []
        for slope in _SLOPES:
            log_likelihood = -0.5 * (math.log(slope / _USUAL_SLOPE) / _SLOPE_SD) ** 2
            if measured:
                log_likelihood -= 0.5 * ((slope * (1 - share) - measured[0]) / measured[1]) ** 2
            for at, requests, ratio in observed:
                # Of a rate that overflows it is only known that it misses so much, or more.
                logit = min(highest if ratio == most else 30.0, max(-30.0, target + slope * (at - log_rate)))
                log_likelihood += requests * (ratio * logit - math.log1p(math.exp(logit)))
            row.append(log_likelihood)
        logs.append(row)
    best, at = max((max(row), index) for index, row in enumerate(logs))
    likely = [math.fsum(math.exp(each - best) for each in row) for row in logs]
    low, high = (math.exp(_quantile(log_rates, likely, each)) for each in (0.025, 0.975))
    value = math.exp(log_rates[at])
    return CapacityFit(value, min(low, value), max(high, value), worth)


def _dispersion(steps: Sequence[Counts]) -> float:
    """The mean of the steps; blocks that are not much longer than a burst show too little of it."""
    requests = sum(step.requests for step in steps)
    if not requests:
        return 1.0
    mean = sum(step.requests * step.dispersion for step in steps) / requests
    return mean * (1 + _FEW_BURSTS * mean / requests)


def _slope(steps: Sequence[Counts], latency_s: float, bursts: float) -> tuple[float, float] | None:
    """How steeply the logarithm of the misses grows with that of the rate, and its standard error; None without any.

    By how many arrivals more than expected precede a miss (score function: Rubinstein and Shapiro, Discrete Event
    Systems, 1993), as far back as there is an excess.
    """
    if not any(step.missed for step in steps):
        return None
    rate_rps = max(step.rate_rps for step in steps)
    value, variance = 0.0, rate_rps
    for index, (reach_s, window_s) in enumerate(windows_s(latency_s)):
        counted = [step.excess[index] for step in steps if len(step.excess) > index]
        misses = sum(count for count, _ in counted)
        if not misses:
            break
        excess = math.fsum(total for _, total in counted) / misses
        variance = rate_rps * (reach_s + window_s)
        if reach_s and excess < 0.5 * math.sqrt(rate_rps * window_s / max(1.0, bursts)):
            break
        value += excess
    return value, max(0.15 * value, math.sqrt(variance / max(1.0, bursts)))


def _quantile(log_rates: list[float], likely: list[float], share: float) -> float:
    total, below, width = math.fsum(likely), 0.0, log_rates[1] - log_rates[0]
    for log_rate, each in zip(log_rates, likely, strict=True):
        within = each / total
        if below + within >= share:
            return log_rate + width * ((share - below) / within - 0.5)
        below += within
    return log_rates[-1] + width / 2
