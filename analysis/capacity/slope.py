"""How steeply the share of misses grows with the rate, from Poisson arrivals at one rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.capacity.requests import OfferedRate
from analysis.results.columns import Booleans, Floats

# Windows before a miss, in multiples of the shortest: each is longer than the one after it by this factor.
_SHORTEST, _LONGER = 0.25, 1.6
_LONGEST_SHARE = 0.3


@dataclass(frozen=True)
class Slope:
    """The derivative of the logarithm of the share of misses by that of the rate, with its standard error."""

    value: float
    error: float


def slope_of(offered: Sequence[tuple[OfferedRate, Booleans]], latency_s: float, bursts: float) -> Slope | None:
    """The score function estimate (Rubinstein and Shapiro, Discrete Event Systems, 1993); None without misses.

    By how many arrivals more than expected preceded a miss: for Poisson arrivals this is the derivative, whatever the
    server is. Arrivals count as far back as they still matter: windows of growing length, until one has no excess.
    `bursts` is the number of independent bursts of misses.
    """
    missed = sum(int(flags.sum()) for _, flags in offered)
    longest_s = _LONGEST_SHARE * max(
        (float(each.offsets_s[-1]) for each, _ in offered if each.offsets_s.size), default=0.0
    )
    if not missed or not longest_s:
        return None
    value, reach_s, window_s = 0.0, 0.0, _SHORTEST * latency_s
    rate_rps = max(each.rate_rps for each, _ in offered)
    while reach_s + window_s <= longest_s:
        excesses = np.concatenate([_excess(each, flags, reach_s, window_s) for each, flags in offered])
        if not excesses.size:
            break
        excess, error = float(excesses.mean()), (rate_rps * window_s / max(1.0, bursts)) ** 0.5
        if reach_s and excess < 0.5 * error:
            break
        value += excess
        reach_s += window_s
        window_s *= _LONGER
    return Slope(value, max(0.15 * value, (rate_rps * max(reach_s, window_s) / max(1.0, bursts)) ** 0.5))


def _excess(offered: OfferedRate, missed: Booleans, reach_s: float, window_s: float) -> Floats:
    """Of each miss: the arrivals in the window that ends `reach_s` before it, less those that are expected."""
    at_s = offered.offsets_s[missed]
    at_s = at_s[at_s - reach_s - window_s >= offered.offsets_s[0]]
    arrivals = np.searchsorted(offered.offsets_s, at_s - reach_s) - np.searchsorted(
        offered.offsets_s, at_s - reach_s - window_s
    )
    return np.asarray(arrivals - offered.rate_rps * window_s, dtype=np.float64)
