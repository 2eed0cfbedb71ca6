"""Which rates certainly meet or miss an objective, each by itself: a bracket of the capacity without a model."""

import math
from collections.abc import Sequence

from analysis.capacity.bursts import FEWEST_BLOCKS, dispersion, queue_dispersion, surely_fewer, surely_more
from analysis.capacity.requests import OfferedRate, latency_limit_s
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.run.columns import Booleans

_ERROR, _SOME_ERROR = 0.05, 0.03
# Failed requests are a limit of their own where so many come by chance this rarely; one in a thousand is hard to show.
BEYOND_CHANCE = 0.2


def bounds_of(offered: Sequence[OfferedRate], objective: Objective, error: float = _ERROR) -> Interval[None]:
    """In requests per second: the highest rate that certainly meets the objective, below the lowest that misses it.

    Each is wrong with a probability of at most `error`. Evenly spaced requests flatter a server, so that only a rate
    with Poisson arrivals is a low end; one that fails without the chance of their bunching fails with it. A rate that
    overloads the server misses any objective.
    """
    high_rps = min((each.rate_rps for each in offered if _misses(each, objective, error)), default=math.inf)
    met = (each.rate_rps for each in offered if each.rate_rps < high_rps and _meets(each, objective, error))
    return Interval(None, max(met, default=0.0), high_rps)


def meets_somewhere(offered: Sequence[OfferedRate], objective: Objective) -> bool:
    """Whether some rate certainly meets the objective, if all rates with Poisson arrivals up to one are taken together.

    Where they miss less than is allowed in total, the lowest of them does. As many may fail as do by chance.
    """
    missed = requests = failed = 0.0
    for each in sorted(offered, key=lambda each: each.rate_rps):
        if not each.poisson:
            continue
        settled = each.settled(latency_limit_s(objective))
        flags = settled.missed(objective)
        worth = dispersion(flags, FEWEST_BLOCKS)
        missed += float(flags.sum()) / worth
        failed += float(settled.failed.sum()) / worth
        requests += flags.size / worth
        by_chance = not surely_more(failed, requests, objective.errors, BEYOND_CHANCE)
        if by_chance and surely_fewer(missed, requests, 1 - objective.quantile, _SOME_ERROR):
            return True
    return False


def fails_too_often(failed: Booleans, errors: float, error: float) -> bool:
    """Whether more than a share `errors` of the requests certainly fails."""
    worth = dispersion(failed, FEWEST_BLOCKS)
    return surely_more(float(failed.sum()) / worth, failed.size / worth, errors, error)


def _misses(offered: OfferedRate, objective: Objective, error: float) -> bool:
    if offered.is_overload(latency_limit_s(objective)):
        return True
    settled = offered.settled(latency_limit_s(objective))
    missed = settled.missed(objective)
    worth = queue_dispersion(settled.response_s, missed, FEWEST_BLOCKS)
    is_late = surely_more(float(missed.sum()) / worth, missed.size / worth, 1 - objective.quantile, error)
    return is_late or fails_too_often(settled.failed, objective.errors, error)


def _meets(offered: OfferedRate, objective: Objective, error: float) -> bool:
    settled = offered.settled(latency_limit_s(objective))
    missed = settled.missed(objective)
    if not offered.poisson or settled.failed.sum() > objective.errors * missed.size:
        return False
    worth = queue_dispersion(settled.response_s, missed)
    return surely_fewer(float(missed.sum()) / worth, missed.size / worth, 1 - objective.quantile, error)
