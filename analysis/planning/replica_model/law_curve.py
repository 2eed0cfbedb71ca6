"""The curve of a scaling law between the measured levels of load: as many points as a smooth line needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betainc, pdtr

from analysis.planning.replica_model.scaling import Point, Scaling

# So many make each step of the line shorter than a corner that the eye sees.
_STEPS = 120
# The logarithm of the variance is a polynomial of this degree of the logarithm of the mean.
_DEGREE = 2
# The least variance as a share of the mean: the number of requests hardly varies, as of one user who does not wait.
_LEAST_VARIANCE = 0.01
# A variance this close to the mean is that of Poisson's distribution.
_POISSON_WITHIN = 1e-3


@dataclass(frozen=True)
class CurvePoint:
    """What the law gives for a mean number of requests in one replica."""

    in_system: float
    rps: float

    @property
    def latency_ms(self) -> float:
        """By Little's law."""
        return self.in_system / self.rps * 1000


def law_curve(law: Scaling, points: Sequence[Point]) -> list[CurvePoint]:
    """The law from the lightest to the heaviest of the levels that it was fitted to.

    The throughput depends on how much the number of requests varies, not only on its mean. Each level has a variance
    of its own, with noise, so a line through them would have corners; here it changes smoothly with the mean.
    """
    means = np.array([point.in_system for point in points])
    variances = [_variance(point.present, mean) for point, mean in zip(points, means, strict=True)]
    degree = min(_DEGREE, np.unique(means).size - 1)
    smooth = np.polynomial.Polynomial.fit(np.log(means), np.log(variances), degree)
    curve = []
    for mean in np.geomspace(means.min(), means.max(), _STEPS).tolist():
        present = distribution(mean, max(float(np.exp(smooth(np.log(mean)))), _LEAST_VARIANCE * mean))
        curve.append(CurvePoint(mean, law.rps(present)))
    return curve


def distribution(mean: float, variance: float) -> NDArray[np.float64]:
    """The share of the time with each number of requests, with this mean and about this variance.

    A negative binomial where it varies more than Poisson's distribution, and a binomial where it varies less. A
    binomial needs a whole number of trials, so two neighbouring ones are mixed. Where the number varies even less than
    a binomial can, it is mixed with the two whole numbers beside the mean. So there are no jumps in either argument.
    """
    # Less than 1e-6 of the time is left out: the tail of a negative binomial shrinks by 1 - mean / variance each time.
    n = np.arange(int(mean + 12 * np.sqrt(max(mean, variance)) + 15 * variance / mean) + 2)
    if variance > mean * (1 + _POISSON_WITHIN):
        return np.diff(betainc(mean**2 / (variance - mean), n + 1, mean / variance), prepend=0)
    if variance > mean * (1 - _POISSON_WITHIN):
        return np.diff(pdtr(n, mean), prepend=0)
    # From mean + 1 trials on, both neighbours have at least as many trials as the mean.
    trials = max(mean**2 / (mean - variance), mean + 1)
    fewer = np.floor(trials)
    share = trials - fewer
    varied = (1 - share) * _binomial(n, fewer, mean / fewer) + share * _binomial(n, fewer + 1, mean / (fewer + 1))
    constant = np.maximum(0.0, 1 - np.abs(n - mean))
    least, most = (float(probabilities @ (n - mean) ** 2) for probabilities in (constant, varied))
    share = min(max((variance - least) / (most - least), 0.0), 1.0)
    return np.asarray((1 - share) * constant + share * varied)


def _binomial(n: NDArray[np.int64], trials: float, chance: float) -> NDArray[np.float64]:
    return np.diff(bdtr(np.minimum(n, trials), int(trials), chance), prepend=0)


def _variance(present: NDArray[np.float64], mean: float) -> float:
    spread = float(present @ (np.arange(present.size) - mean) ** 2)
    return max(spread, _LEAST_VARIANCE * mean)
