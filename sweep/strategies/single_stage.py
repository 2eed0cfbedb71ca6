"""How many blocks it takes to choose the best, or one as good in practice, with one decision at the end."""

import math

from analysis.statistics.best import dunnett
from analysis.statistics.deployments import PRIOR_SD
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
    # By how many standard errors the best has to be ahead of all others: dunnett's are those of a difference.
    return math.ceil((math.sqrt(2) * dunnett(candidates) * log_sd / math.log1p(within)) ** 2)
