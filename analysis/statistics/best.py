"""Multiple comparisons with the best: which variants may be the best, and how much each may cost more than it.

Hsu 1984 (Annals of Statistics 12) and 1996 ("Multiple Comparisons", chapter 4). All statements hold together at 95 %,
however many variants there are. Each pair has its own variance and degrees of freedom (Satterthwaite), as in the
comparisons of Games and Howell 1976, with Dunnett's critical value for one side. Statements are of the form "costs at
most so much more": of two variants that cost exactly the same, either may be called the best.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv, ndtr

from analysis.statistics.deployments import Mean, together
from analysis.statistics.estimate import LEVEL

# Critical values are computed for these degrees of freedom, and used for those up to the next.
_DEGREES: tuple[float, ...] = (*(1 + 0.25 * step for step in range(20)), *range(6, 30, 2), 30, 40, 60, 120, math.inf)


@dataclass(frozen=True)
class Standing:
    """How one variant compares with the best of all others.

    `may_be_best`: no other is certainly as cheap. `at_most_more`: choosing it costs at most this share more than
    choosing the best; 0 where it is certainly the best.
    """

    may_be_best: bool
    at_most_more: float

    @property
    def is_certainly_best(self) -> bool:
        return self.at_most_more == 0

    def is_good_enough(self, within: float) -> bool:
        """Whether that is within the zone of practical equivalence, a share of what the best costs."""
        return self.at_most_more <= within


class Difference(NamedTuple):
    """By how much one logarithm is above another, the variance of that, and with how many degrees of freedom."""

    log_value: float
    variance: float
    degrees_of_freedom: float


def compare_with_best(log_costs: Mapping[str, Mean]) -> dict[str, Standing]:
    """The standing of each variant by the logarithm of what it costs."""
    standings = {}
    for name, mean in log_costs.items():
        others = [difference_of(mean, other) for key, other in log_costs.items() if key != name]
        halves = [_half_width(difference, len(log_costs)) for difference in others]
        least = max((difference.log_value - half for difference, half in zip(others, halves, strict=True)), default=0.0)
        most = max((difference.log_value + half for difference, half in zip(others, halves, strict=True)), default=0.0)
        standings[name] = Standing(may_be_best=least <= 0, at_most_more=max(math.expm1(most), 0.0))
    return standings


def _half_width(difference: Difference, variants: int) -> float:
    """How far the difference may be off on one side, for all of so many variants together."""
    return dunnett(variants, _tabulated(difference.degrees_of_freedom)) * math.sqrt(difference.variance)


def difference_of(one: Mean, other: Mean) -> Difference:
    """Variants on the same machines are compared by their deployments there, others by their sets of machines.

    What is uncertain of the mix of CPU models counts as far as it is not the same for both.
    """
    mixes = [mean.mix for mean in (one, other)]
    if one.machines != other.machines:
        one, other = one.of_machines or one, other.of_machines or other
    error = together(one.error, other.error)
    if mix := mixes[0] or mixes[1]:
        error = together(error, mix.less(mixes[1] if mixes[0] else None))
    degrees = min(error.degrees, one.all_degrees, other.all_degrees)
    return Difference(one.log_value - other.log_value, error.value, degrees)


def _tabulated(degrees: float) -> float:
    return _DEGREES[max(bisect_right(_DEGREES, degrees) - 1, 0)]


@lru_cache(maxsize=256)
def dunnett(variants: int, degrees_of_freedom: float = math.inf) -> float:
    """Dunnett's critical value for one side, in standard deviations of a difference: 95 % for all others together.

    E[Φ(Z + c √2 s)^(k − 1)] = 95 %, with Z normal and s² chi-squared by its degrees of freedom (Dunnett 1955).
    """
    from scipy.optimize import brentq  # noqa: PLC0415 (takes a second)

    normal, weights = np.polynomial.hermite_e.hermegauss(60)
    scales = np.ones(1)
    if math.isfinite(degrees_of_freedom):
        shares = (np.arange(400) + 0.5) / 400
        scales = np.sqrt(2 * gammaincinv(degrees_of_freedom / 2, shares) / degrees_of_freedom)

    def excess(critical: float) -> float:
        held = ndtr(normal[:, None] + critical * math.sqrt(2) * scales) ** (variants - 1)
        return float(np.average(held.mean(axis=1), weights=weights)) - LEVEL

    return float(brentq(excess, 0, 1000, xtol=1e-6))
