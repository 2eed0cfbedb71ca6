"""The capacity from the steps of a capacity search, for any objective."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.capacity.bounds import bounds_of
from analysis.capacity.fit import fit_capacity
from analysis.capacity.requests import OfferedRate, latency_limit_s
from analysis.objective import Objective

# A rate that fails this certainly with evenly spaced arrivals is above the capacity, whatever the fit says.
_CERTAIN = 0.001


@dataclass(frozen=True)
class CapacityEstimate:
    """Requests per second: the value and the 95 % interval; without a value, one or both ends are missing.

    A low end of 0 or an infinite high end is none.
    """

    value_rps: float | None
    low_rps: float
    high_rps: float


def estimate_of(offered: Sequence[OfferedRate], objective: Objective) -> CapacityEstimate:
    """The capacity by the steps with Poisson arrivals, below any that certainly fails with even ones.

    It has a value where some rate missed less than the objective allows, and another one more; else the rates that
    certainly keep and certainly miss it are all that is known.
    """
    share = 1 - objective.quantile
    settled = [each.settled(latency_limit_s(objective)) for each in offered if each.poisson]
    poisson = [(each, each.missed(objective)) for each in settled if each.due_s.size]
    shares = [float(missed.mean()) for _, missed in poisson]
    even = bounds_of([each for each in offered if not each.poisson], objective, _CERTAIN)
    if not shares or min(shares) > share or max(shares) < share:
        bounds = bounds_of(offered, objective)
        return CapacityEstimate(None, bounds.low_rps, bounds.high_rps)
    highest_rps = min(even.high_rps, math.e * max(each.rate_rps for each, _ in poisson))
    fit = fit_capacity(poisson, share, latency_limit_s(objective), highest_rps)
    return CapacityEstimate(fit.value_rps, fit.low_rps, fit.high_rps)
