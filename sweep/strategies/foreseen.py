"""How likely a candidate that was not measured is the best, by what is known beforehand and by the runs of others.

Logarithms of costs are taken to be normal: each run of one candidate moves what is expected of those that share a part
of what it may be wrong by (Gaussian process regression; Rasmussen and Williams 2006, chapter 2).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from sweep.prior import StackPrior
from sweep.strategy import Observation

Floats = npt.NDArray[np.float64]

# The unit of all costs, and the cost of a candidate of which nothing is known: anything is possible.
_UNKNOWN_SD = 10.0


class Foreseen:
    """What is expected of the costs of candidates, numbered from 0, after the runs that were added."""

    def __init__(self, priors: Sequence[StackPrior | None]) -> None:
        known = [prior.log_cost for prior in priors if prior]
        elsewhere = sum(known) / len(known) if known else 0.0
        self._means: Floats = np.array([prior.log_cost if prior else elsewhere for prior in priors])
        self._covariances = np.full((len(priors), len(priors)), _UNKNOWN_SD**2)
        for one, prior in enumerate(priors):
            for other, second in enumerate(priors):
                if prior and second:
                    self._covariances[one, other] += _shared(prior.parts, second.parts)
            if not prior:
                self._covariances[one, one] += _UNKNOWN_SD**2

    def add(self, at: int, run: Observation) -> None:
        """Expect otherwise after a run with a cost."""
        gains = self._covariances[:, at] / (self._covariances[at, at] + 1 / run.weight)
        self._means = self._means + gains * (run.log_cost - self._means[at])
        self._covariances = self._covariances - np.outer(gains, self._covariances[at])

    def chances(self, leader: int, log_within: float) -> Floats:
        """The probability that each is cheaper than the leader by more than `log_within`."""
        variances = np.diag(self._covariances)
        of_ratio = variances + variances[leader] - 2 * self._covariances[leader]
        sds = np.sqrt(np.maximum(of_ratio, np.finfo(float).tiny))
        chances: Floats = ndtr(-(self._means - self._means[leader] + log_within) / sds)
        return chances

    def more(self, at: int, leader: int) -> float:
        """By how much one is expected to be dearer than the leader, as a logarithm."""
        return float(self._means[at] - self._means[leader])


def _shared(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The covariance of two candidates: by the parts that both have."""
    return sum(one[name] * other[name] for name in one.keys() & other.keys())
