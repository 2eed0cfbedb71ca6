"""Whether the rate of answers wanders slowly: then a run has fewer independent parts than it seems to have."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.results.run.columns import Floats

_WINDOWS, _LAGS = 60, 12
# The longest lags count least (the Bartlett window).
_WEIGHTS = 1 - np.arange(1, _LAGS + 1) / (_LAGS + 1)


@dataclass(frozen=True)
class Wander:
    """`z` is how many standard deviations neighbouring windows are more alike than chance makes them.

    `sd` is the standard deviation of the rate that they share, as a share of the mean rate.
    """

    z: float
    sd: float


def wander_of(counts: Floats) -> Wander:
    """The wander of counts in cells of equal time, at least 60: by the autocorrelation of sixty windows.

    A weighted sum of autocorrelations, as in the variance-ratio test (Lo and MacKinlay 1988). Each has the bias of
    -1/n taken off that comes with an estimated mean.
    """
    windows = np.array([part.mean() for part in np.array_split(counts, _WINDOWS)])
    deviations = windows - windows.mean()
    variance = float((deviations**2).mean())
    if variance == 0:
        return Wander(0.0, 0.0)
    products = [float((deviations[lag:] * deviations[:-lag]).mean()) for lag in range(1, _LAGS + 1)]
    correlations = np.array(products) * (1 - np.arange(1, _LAGS + 1) / _WINDOWS) / variance + 1 / _WINDOWS
    z = float(_WEIGHTS @ correlations) / math.sqrt(float(_WEIGHTS @ _WEIGHTS) / _WINDOWS)
    return Wander(z, math.sqrt(max(0.0, float(correlations[0]) * variance)) / float(windows.mean()))
