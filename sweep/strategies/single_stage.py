"""How many blocks it takes to choose the best, or one as good in practice, with one decision at the end."""

import math
from functools import lru_cache

import numpy as np

from analysis.statistics.deployments import PRIOR_SD
from analysis.statistics.estimate import LEVEL
from sweep.lengths import LOG_SD
from sweep.tasks import Length

# What is assumed of one full run: the spread between deployments, and the error of the run.
ASSUMED_LOG_SD = math.hypot(PRIOR_SD, LOG_SD[Length.full])


def blocks_needed(candidates: int, within: float, log_sd: float = ASSUMED_LOG_SD) -> int:
    """The blocks of Bechhofer's single-stage procedure (Annals of Mathematical Statistics 25, 1954), for 95 %.

    `log_sd` is the standard deviation of the logarithm of one run's cost, deployments and runs together. The candidate
    with the lowest mean is the best one with 95 % probability, if the others cost at least `within` more.
    """
    if candidates < 2:
        return 1
    return math.ceil((_distance(candidates) * log_sd / math.log1p(within)) ** 2)


@lru_cache(maxsize=64)
def _distance(candidates: int) -> float:
    """By how many standard errors the best has to be ahead of all others: the root of E[Φ(Z + h)^(k−1)] = 95 %."""
    from scipy.optimize import brentq  # noqa: PLC0415 (takes a second)
    from scipy.special import ndtr  # noqa: PLC0415 (the same)

    points, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def excess(distance: float) -> float:
        return float(weights @ ndtr(points + distance) ** (candidates - 1)) - LEVEL

    return float(brentq(excess, 0, 20))
