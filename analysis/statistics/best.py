"""Multiple comparisons with the best: which variants may be the best, and how much each may cost more than it.

Hsu 1984 (Annals of Statistics 12) and 1996 ("Multiple Comparisons", chapter 4). All statements hold together at 95 %,
however many variants there are. The critical value is that of all pairs, by the studentized range (Tukey and Kramer;
Hayter 1984 for unequal variances). Hsu uses Dunnett's, which is a quarter smaller for four variants; with this one,
equal variants all stay among the best in 95 % of experiments, and a comparison of any two holds, too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from analysis.interval import Interval
from analysis.statistics.deployments import Mean
from analysis.statistics.estimate import LEVEL, student_t


@dataclass(frozen=True)
class Standing:
    """How one variant compares with the best of all others.

    `may_be_best`: no other is certainly cheaper. `at_most_more`: choosing it costs at most this share more than
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


def compare_with_best(log_costs: Mapping[str, Mean]) -> dict[str, Standing]:
    """The standing of each variant by the logarithm of what it costs."""
    standings = {}
    for name, mean in log_costs.items():
        ratios = [ratio(mean, other, log_costs) for key, other in log_costs.items() if key != name]
        more = max((max(each.high - 1, 0.0) for each in ratios), default=0.0)
        standings[name] = Standing(all(each.low <= 1 for each in ratios), more)
    return standings


def ratio(of: Mean, to: Mean, among: Mapping[str, Mean]) -> Interval[float]:
    """What one costs divided by what another does; the intervals of all pairs among so many hold together."""
    degrees = min(each.degrees_of_freedom for each in among.values())
    half = _critical(len(among), degrees) * math.sqrt(of.variance + to.variance)
    log_ratio = of.log_value - to.log_value
    return Interval(math.exp(log_ratio), math.exp(log_ratio - half), math.exp(log_ratio + half))


@lru_cache(maxsize=64)
def _critical(variants: int, degrees_of_freedom: float) -> float:
    """Half of an interval of a difference, in its standard deviations.

    SciPy's own `ppf` looks for it in a wide interval and to 14 digits, and each look takes tens of milliseconds.
    """
    of_one_pair = student_t(degrees_of_freedom)
    if variants == 2:
        return of_one_pair
    from scipy.optimize import brentq  # noqa: PLC0415 (takes a second)
    from scipy.stats import studentized_range  # noqa: PLC0415 (takes a second)

    def beyond(half: float) -> float:
        return float(studentized_range.cdf(half * math.sqrt(2), variants, degrees_of_freedom)) - LEVEL

    at_most = student_t(degrees_of_freedom, math.comb(variants, 2))
    return float(brentq(beyond, of_one_pair, at_most, xtol=1e-6))
