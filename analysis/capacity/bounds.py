"""Which rates certainly meet or miss an objective, each by itself: a bracket of the capacity without a model."""

import math
from collections.abc import Iterable

from analysis.capacity.bursts import FEWEST_BLOCKS, chance_of_so_few, chance_of_so_many, dispersion
from analysis.capacity.misses import JudgedRate
from analysis.interval import Interval

_ERROR, _SOME_ERROR = 0.05, 0.03
# Failed requests are a limit of their own where so many come by chance this rarely; one in a thousand is hard to show.
BEYOND_CHANCE = 0.2


def bounds_of(rates: Iterable[JudgedRate], error: float = _ERROR) -> Interval[None]:
    """In requests per second: the highest rate that certainly meets the objective, below the lowest that misses it.

    Each is wrong with a probability of at most `error`. Evenly spaced requests flatter a server, so that only a rate
    with Poisson arrivals is a low end; one that fails without the chance of their bunching fails with it. A rate that
    overloads the server misses any objective.
    """
    rates = list(rates)
    high_rps = min((rate.rate_rps for rate in rates if rate.misses_error <= error), default=math.inf)
    met_rps = (rate.rate_rps for rate in rates if rate.rate_rps < high_rps and rate.meets_error <= error)
    return Interval(None, max(met_rps, default=0.0), high_rps)


def meets_somewhere(rates: Iterable[JudgedRate]) -> bool:
    """Whether some rate certainly meets the objective, if all rates with Poisson arrivals up to one are taken together.

    `rates` are in ascending order. Where they miss less than is allowed in total, the lowest of them does. As many may
    fail as do by chance.
    """
    missed = requests = failed = 0.0
    for rate in rates:
        if not rate.poisson:
            continue
        worth, objective = dispersion(rate.missed, FEWEST_BLOCKS), rate.objective
        missed += float(rate.missed.sum()) / worth
        failed += float(rate.failed.sum()) / worth
        requests += rate.missed.size / worth
        by_chance = chance_of_so_many(failed, requests, objective.errors) > BEYOND_CHANCE
        if by_chance and chance_of_so_few(missed, requests, 1 - objective.quantile) <= _SOME_ERROR:
            return True
    return False
