"""The rate at which the share of misses is what the objective allows, from several rates offered near it."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from analysis.capacity.bursts import queue_dispersion
from analysis.capacity.requests import OfferedRate
from analysis.interval import Interval
from analysis.results.run.columns import Booleans, Floats

# A rate farther from the capacity than by this factor says nothing of the slope at it.
NEAR = 1.22
# A queue that overflows misses more the longer it is observed; beyond this multiple of the allowed share it says only
# that the rate is too high.
_MOST = 5.0
_RATES, _SLOPES = 400, 40
# The slope before any data is log-normal. The waiting time of a queue has an exponential tail, whose rate is as the
# share s of the time that the queue is idle (Kingman 1962), so log(share of misses) changes with log(rate) as
# log(1 / share) / s. Such a queue remembers for 1 / s² (Whitt, Planning queueing simulations, Management Science 35,
# 1989), and bursts of misses are as long, so s is as 1 / √dispersion. Of 43 simulated servers the slope grows only with
# the root of log(1 / share), since bursts of rarer misses are shorter. Where misses come one by one, any slope may be:
# the standard deviation grows by its part of the dispersion. Failures have a slope of their own.
_SLOPE_OF_BURSTS, _SLOPE_OF_FAILURES, _SLOPE_SD = 1.3, 12.0, 0.5
# The dispersion is an estimate: Student's t with so many degrees of freedom, rather than the normal distribution.
_FREEDOM = 20.0
# A step is divided into so many blocks, by which the misses scatter about the line.
_BLOCKS_OF_STEP = 2
_QUANTILES = (0.025, 0.975)


def fit_capacity(
    offered: Sequence[tuple[OfferedRate, Booleans]],
    share: float,
    highest_rps: float,
    *,
    only_failures: bool = False,
) -> Interval[float]:
    """The capacity by rates with Poisson arrivals and the flags of their misses; at most `highest_rps`.

    Logit(share of misses) is a line in log(rate), which crosses the logit of the allowed `share` at the capacity. Its
    quasi-likelihood has the dispersion of the misses, and what is known of the slope; it is integrated over the slope.
    The dispersion is a geometric mean of two estimates: that of the series of requests, which is the largest for any
    size of block and so too large by chance, and, with half of its weight, that of few blocks about the line, which few
    bursts make too small.
    `only_failures`: late requests are no misses, so how long bursts are says nothing of the slope.
    """
    kept_rps = max((rate.rate_rps for rate, flags in offered if flags.mean() <= share), default=0.0)
    near = list(offered)
    fit = _fit(near, share, highest_rps, only_failures=only_failures)
    for _ in range(3):
        # From the highest rate that did not miss too much on: without it, rates that all overflow have no end.
        low_rps, high_rps = min(kept_rps, fit.value) / NEAR, fit.value * NEAR
        nearer = [step for step in offered if low_rps <= step[0].rate_rps <= high_rps] or list(offered)
        if list(map(id, nearer)) == list(map(id, near)):
            break
        near = nearer
        fit = _fit(near, share, highest_rps, only_failures=only_failures)
    return fit


def _fit(
    offered: Sequence[tuple[OfferedRate, Booleans]],
    share: float,
    highest_rps: float,
    *,
    only_failures: bool,
) -> Interval[float]:
    most = min(0.5, _MOST * share)
    within = [(rate, flags) for rate, flags in offered if flags.mean() <= most]
    worth = _dispersion(within)
    log_rates = math.log(_excess(within)) + np.array([math.log(rate.rate_rps) for rate, _ in offered])
    shares = np.minimum(most, [flags.mean() for _, flags in offered])
    top = math.log(highest_rps)
    bottom = min(log_rates.min(), top) - 1
    log_capacities = bottom + (top - bottom) * (np.arange(_RATES) + 0.5) / _RATES
    deviations = np.linspace(-3, 3, _SLOPES)
    of_bursts = _SLOPE_OF_BURSTS * math.sqrt(worth * math.log(1 / share))
    usual_slope = _SLOPE_OF_FAILURES if only_failures else of_bursts
    slope_sd = _SLOPE_SD if only_failures else _SLOPE_SD * (1 + 1 / worth)
    slopes = usual_slope * np.exp(slope_sd * deviations)
    logits = logit(share) + slopes[:, None] * (log_rates - log_capacities[:, None, None])
    # A rate that overflows is only known to miss so much, or more.
    logits = np.minimum(logits, np.where(shares == most, logit(most), np.inf))
    by_rate = 2 * (np.logaddexp(0, logits) - shares * logits)
    requests = np.array([flags.size for _, flags in offered])
    deviance = (by_rate * requests / worth).sum(axis=2) + deviations**2
    best = np.unravel_index(np.argmin(deviance), deviance.shape)
    about_line = _about_line(offered, expit(logits[best]), most)
    deviance = (by_rate * requests / math.cbrt(worth**2 * about_line)).sum(axis=2) + deviations**2
    likely = (1 + (deviance - deviance.min()) / _FREEDOM) ** (-(_FREEDOM + 1) / 2)
    low, high = _quantiles(log_capacities, likely.sum(axis=1)).tolist()
    value = math.exp(log_capacities[np.unravel_index(np.argmax(likely), likely.shape)[0]])
    return Interval(value, min(low, value), max(high, value))


def _about_line(offered: Sequence[tuple[OfferedRate, Booleans]], expected: Floats, most: float) -> float:
    """The dispersion by how the misses of half steps scatter about `expected` shares (Pearson), at least 1.

    Steps that overflow have no part in it, unless there are no others.
    """
    within = [(flags, share) for (_, flags), share in zip(offered, expected.tolist(), strict=True)]
    within = [step for step in within if step[0].mean() <= most] or within
    blocks = [(part, share) for flags, share in within for part in np.array_split(flags, _BLOCKS_OF_STEP) if part.size]
    scatter = sum((float(part.sum()) - part.size * share) ** 2 for part, share in blocks)
    by_chance = sum(part.size * share * (1 - share) for part, share in blocks)
    return max(1.0, float(scatter / by_chance))


def _excess(offered: Sequence[tuple[OfferedRate, Booleans]]) -> float:
    """How many requests were due per request that the rates let expect.

    By chance a seed has more arrivals, and so more misses, than others. The number of arrivals is a control variate
    whose coefficient is known: the misses grow with them as with the rate (the score function).
    """
    gaps = [
        (rate.offsets_s.size - 1, rate.rate_rps * float(np.ptp(rate.offsets_s)))
        for rate, _ in offered
        if rate.offsets_s.size > 1
    ]
    due, expected = (sum(column) for column in zip(*gaps, strict=True)) if gaps else (0, 0.0)
    return due / expected if expected else 1.0


def _dispersion(offered: Sequence[tuple[OfferedRate, Booleans]]) -> float:
    """The dispersion of the requests of all rates in one series: bursts may be longer than a rate was offered."""
    if not offered:
        return 1.0
    by_rate = sorted(offered, key=lambda step: step[0].rate_rps)
    response_s = np.concatenate([rate.response_s for rate, _ in by_rate])
    return queue_dispersion(response_s, np.concatenate([flags for _, flags in by_rate]))


def _quantiles(log_rates: Floats, likely: Floats) -> Floats:
    half = (log_rates[1] - log_rates[0]) / 2
    below = np.concatenate([[0.0], np.cumsum(likely) / likely.sum()])
    edges = np.concatenate([[log_rates[0] - half], log_rates + half])
    return np.asarray(np.exp(np.interp(_QUANTILES, below, edges)))
