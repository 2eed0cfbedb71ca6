"""How likely a candidate that was not measured is the best, by what is known beforehand and by the runs of others.

Logarithms of costs are taken to be normal: what is measured of one candidate moves what is expected of those that share
a part of what it may be wrong by (Gaussian process regression; Rasmussen and Williams 2006, chapter 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from sweep.prior import StackPrior
from sweep.strategies.evidence import CostEvidence

Floats = npt.NDArray[np.float64]

# The unit of all costs, and the cost of a candidate of which nothing is known: anything is possible.
_UNKNOWN_SD = 10.0


@dataclass(frozen=True)
class Foreseen:
    """What is expected of the logarithms of the costs of candidates, numbered from 0."""

    means: Floats
    covariances: Floats

    @classmethod
    def of(cls, priors: Sequence[StackPrior | None]) -> Self:
        """Before any run."""
        known = [prior.log_cost for prior in priors if prior]
        elsewhere = sum(known) / len(known) if known else 0.0
        covariances = np.full((len(priors), len(priors)), _UNKNOWN_SD**2)
        for one, prior in enumerate(priors):
            for other, second in enumerate(priors):
                if prior and second:
                    covariances[one, other] += _shared(prior.parts, second.parts)
            if not prior:
                covariances[one, one] += _UNKNOWN_SD**2
        return cls(np.array([prior.log_cost if prior else elsewhere for prior in priors]), covariances)

    def after(self, evidence: CostEvidence) -> "Foreseen":
        """What is expected instead, once some candidates have a cost."""
        measured = np.flatnonzero(evidence.information)
        noise = evidence.covariances(measured)
        gains = np.linalg.solve(self.covariances[np.ix_(measured, measured)] + noise, self.covariances[measured]).T
        surprises = evidence.means[measured] - self.means[measured]
        return Foreseen(self.means + gains @ surprises, self.covariances - gains @ self.covariances[measured])

    def chances(self, leader: int, log_within: float) -> Floats:
        """The probability that each is cheaper than the leader by more than `log_within`."""
        variances = np.diag(self.covariances)
        of_ratio = variances + variances[leader] - 2 * self.covariances[leader]
        sds = np.sqrt(np.maximum(of_ratio, np.finfo(float).tiny))
        chances: Floats = ndtr(-(self.means - self.means[leader] + log_within) / sds)
        return chances

    def more(self, at: int, leader: int) -> float:
        """By how much one is expected to be dearer than the leader, as a logarithm."""
        return float(self.means[at] - self.means[leader])


def _shared(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The covariance of two candidates: by the parts that both have."""
    return sum(one[name] * other[name] for name in one.keys() & other.keys())
