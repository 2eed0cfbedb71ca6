"""The capacity from the steps of a capacity search, for any objective."""

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np

from analysis.capacity.bounds import BEYOND_CHANCE, bounds_of, fails_too_often, meets_somewhere
from analysis.capacity.fit import NEAR, fit_capacity
from analysis.capacity.requests import OfferedRate, latency_limit_s
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
    latency_s = latency_limit_s(objective)
    settled = [each.settled(latency_s) for each in offered if each.poisson]
    poisson = [each for each in settled if each.offsets_s.size]
    proofs = [each for each in offered if not each.poisson and _is_proof(each, latency_s)]
    even = bounds_of(proofs, objective, _CERTAIN)
    found = [_where(poisson, objective, even.high)]
    if _fail_too_often(poisson, objective.errors):
        found.append(_where(poisson, objective, even.high, only_failures=True))
    fits = [each for each in found if isinstance(each, Interval)]
    if not fits or _Crossing.below in found or not meets_somewhere(offered, objective):
        return bounds_of(offered, objective)
    return Interval(min(fit.value for fit in fits), min(fit.low for fit in fits), min(fit.high for fit in fits))


def _is_proof(offered: OfferedRate, latency_s: float) -> bool:
    return float(offered.offsets_s.max(initial=0)) >= _PROOF * latency_s or offered.is_overload(latency_s)


def _fail_too_often(offered: Sequence[OfferedRate], errors: float) -> bool:
    """Whether from some rate on more requests fail than by chance; one that fails now and then is no limit."""
    failed: Booleans = np.zeros(0, dtype=bool)
    for each in sorted(offered, key=lambda each: each.rate_rps, reverse=True):
        failed = np.concatenate([failed, each.failed])
        if fails_too_often(failed, errors, BEYOND_CHANCE):
            return True
    return False


class _Crossing(Enum):
    """Where a share of misses is what is allowed, if it is not near a rate that was offered."""

    below = "below all rates"
    above = "above all rates"


def _where(
    offered: Sequence[OfferedRate], objective: Objective, even_rps: float, *, only_failures: bool = False
) -> Interval[float] | _Crossing:
    """The rate at which as many requests miss, or fail, as the objective allows; `even_rps` certainly misses more."""
    share = objective.errors if only_failures else 1 - objective.quantile
    missed = [(each, each.failed if only_failures else each.missed(objective)) for each in offered]
    shares = [float(flags.mean()) for _, flags in missed]
    if not shares or max(shares) <= share:
        return _Crossing.above
    if min(shares) > share or share == 0:
        return _Crossing.below
    most_rps = max(each.rate_rps for each in offered)
    fit = fit_capacity(missed, share, min(even_rps, math.e * most_rps), only_failures=only_failures)
    # Beyond, the line is only as steep as was assumed: one slow spell of a server at a low rate would say anything.
    return fit if fit.value <= NEAR * most_rps else _Crossing.above
