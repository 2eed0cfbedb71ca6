"""Whether a series drifts, in a way that chance and slow waves do not explain. Standard library only."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

_FEWEST = 8


@dataclass(frozen=True)
class Trend:
    """`slope` is per step of the series; `z` is how many standard deviations its rank trend is from none."""

    slope: float
    z: float

    def significant(self, confidence: float) -> bool:
        """Two-sided."""
        return abs(self.z) > NormalDist().inv_cdf((1 + confidence) / 2)


def trend_of(series: Sequence[float]) -> Trend:
    """Mann–Kendall's rank test with Theil–Sen's slope: no law of the noise is assumed.

    The variance is enlarged for autocorrelation by Hamed and Rao (Journal of Hydrology 204, 1998, equations 16–17):
    without that, slow waves of a queue pass for a drift. Fewer than eight points show none.
    """
    count = len(series)
    if count < _FEWEST:
        return Trend(0.0, 0.0)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    score = sum((series[j] > series[i]) - (series[j] < series[i]) for i, j in pairs)
    slope = median((series[j] - series[i]) / (j - i) for i, j in pairs)
    ties = [series.count(value) for value in set(series)]
    variance = (count * (count - 1) * (2 * count + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if not score or not variance:
        return Trend(slope, 0.0)
    variance *= _inflation(_ranks([value - slope * index for index, value in enumerate(series)]))
    # The score is a whole number: half of its smallest step is taken off.
    return Trend(slope, (score - math.copysign(1, score)) / math.sqrt(variance))


def _inflation(ranks: Sequence[float]) -> float:
    """By how much the score's variance grows with the significant autocorrelations of the detrended ranks."""
    count = len(ranks)
    mean = math.fsum(ranks) / count
    spread = math.fsum((rank - mean) ** 2 for rank in ranks)
    if not spread:
        return 1.0
    total = 0.0
    for lag in range(1, count - 1):
        covariance = math.fsum((ranks[i] - mean) * (ranks[i + lag] - mean) for i in range(count - lag))
        correlation = covariance / spread
        if abs(correlation) > 1.96 / math.sqrt(count):
            total += (count - lag) * (count - lag - 1) * (count - lag - 2) * correlation
    # Never smaller: what looks like alternation must not make a drift out of chance.
    return max(1.0, 1 + 2 * total / (count * (count - 1) * (count - 2)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ties share the middle of their ranks."""
    ordered = sorted(values)
    return [(bisect_left(ordered, value) + bisect_right(ordered, value) - 1) / 2 for value in values]
