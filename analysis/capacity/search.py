"""The capacity from the steps of a capacity search, for any objective."""

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np

from analysis.capacity.bounds import BEYOND_CHANCE, bounds_of, meets_somewhere
from analysis.capacity.bursts import chance_of_failures
from analysis.capacity.fit import NEAR, fit_capacity
from analysis.capacity.misses import JudgedRate, judged, latency_limit_s
from analysis.capacity.requests import OfferedRate
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.run.columns import Booleans

# A rate that fails this certainly with evenly spaced arrivals is above the capacity, whatever the fit says. Before so
# many times the latency limit, late requests may be one burst of a server that is not overloaded.
_CERTAIN, _PROOF = 0.001, 10


def estimate_of(offered: Sequence[OfferedRate], objective: Objective) -> Interval[float | None]:
    """The capacity in requests/s by the steps with Poisson arrivals, below any that certainly fails with even ones.

    It has a value where some rate certainly meets the objective, and one missed more than it allows, and it is near the
    rates that were offered; else the rates that certainly meet and certainly miss it are all that is known. Where too
    many requests fail from some rate on, the capacity is also where their share is what the objective allows.
    """
    rates = judged(offered, objective)
    poisson = [rate for rate in rates if rate.poisson]
    even = bounds_of((rate for rate in rates if not rate.poisson and _is_proof(rate)), _CERTAIN)
    found = [_where(poisson, 1 - objective.quantile, even.high)]
    if _fail_too_often(poisson):
        found.append(_where(poisson, objective.errors, even.high, only_failures=True))
    fits = [place for place in found if isinstance(place, Interval)]
    if not fits or _Crossing.below in found or not meets_somewhere(rates):
        return bounds_of(rates)
    return Interval(min(fit.value for fit in fits), min(fit.low for fit in fits), min(fit.high for fit in fits))


def _is_proof(rate: JudgedRate) -> bool:
    observed_s = float(rate.offered.offsets_s.max(initial=0))
    return observed_s >= _PROOF * latency_limit_s(rate.objective) or rate.is_overload


def _fail_too_often(rates: Sequence[JudgedRate]) -> bool:
    """Whether from some rate on more requests fail than by chance; one that fails now and then is no limit."""
    failed: Booleans = np.zeros(0, dtype=bool)
    for rate in sorted(rates, key=lambda rate: rate.rate_rps, reverse=True):
        failed = np.concatenate([failed, rate.failed])
        if chance_of_failures(failed, rate.objective.errors) <= BEYOND_CHANCE:
            return True
    return False


class _Crossing(Enum):
    """Where a share of misses is what is allowed, if it is not near a rate that was offered."""

    below = "below all rates"
    above = "above all rates"


def _where(
    rates: Sequence[JudgedRate], share: float, even_rps: float, *, only_failures: bool = False
) -> Interval[float] | _Crossing:
    """The rate at which a `share` of the requests misses, or fails; `even_rps` certainly misses more."""
    missed = [(rate.counted, rate.failed if only_failures else rate.missed) for rate in rates]
    shares = [float(flags.mean()) for _, flags in missed]
    if not shares or max(shares) <= share:
        return _Crossing.above
    if min(shares) > share or share == 0:
        return _Crossing.below
    most_rps = max(rate.rate_rps for rate in rates)
    fit = fit_capacity(missed, share, min(even_rps, math.e * most_rps), only_failures=only_failures)
    # Beyond, the line is only as steep as was assumed: one slow spell of a server at a low rate would say anything.
    return fit if fit.value <= NEAR * most_rps else _Crossing.above
