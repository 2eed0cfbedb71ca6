"""The moving-block bootstrap along a run: the length of a block, and how often each cell is drawn.

Neighbouring requests share a queue, so they carry less information than independent ones. Blocks of neighbouring cells
keep that dependence (Künsch 1989). They are on a circle (Politis and Romano 1992), so that the ends are drawn as often
as the middle.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from analysis.results.columns import Floats
from analysis.statistics.cells import CELLS

REPLICATES = 1000
# The same draws for every run, so that a verdict does not change when it is repeated. The runs stay independent: their
# cells differ.
_SEED = 20261125
# Shorter blocks would cut dependent cells apart; longer ones would be too few to vary. Batch means, the classic of
# simulation output analysis, use 10 to 30 (Schmeiser 1982).
_MOST_BLOCKS, _FEWEST_BLOCKS = 30, 8
_SHORTEST, _LONGEST = CELLS // _MOST_BLOCKS, CELLS // _FEWEST_BLOCKS
# The correlation has ended when it is for this many lags no larger than that of an uncorrelated series.
_QUIET_LAGS = 5


def block_length(series: Floats) -> int:
    """The cells in a block, from the autocorrelation of the series: Politis and White 2004, corrected 2009."""
    # At lags 0 to _LONGEST, by the Fourier transform of the series padded to twice its length.
    transform = np.fft.rfft(series - series.mean(), 2 * CELLS)
    covariance = np.fft.irfft(transform * np.conj(transform))[: _LONGEST + 1] / CELLS
    if covariance[0] <= 0:
        return _SHORTEST
    reach = 2 * max(1, _last_correlated_lag(covariance / covariance[0]))
    lags = np.arange(1, min(reach, _LONGEST) + 1)
    # The flat-top window: weight 1 for the nearer half of the lags, then falling to 0.
    weighted = np.minimum(1, 2 * (1 - lags / reach)) * covariance[lags]
    long_run_variance = covariance[0] + 2 * weighted.sum()
    if long_run_variance <= 0:
        return _SHORTEST
    slope = 2 * (lags * weighted).sum()
    optimal = (1.5 * (slope / long_run_variance) ** 2 * CELLS) ** (1 / 3)
    return int(np.clip(round(float(optimal)), _SHORTEST, _LONGEST))


@lru_cache(maxsize=16)
def draws(block: int) -> npt.NDArray[np.float32]:
    """How often each cell is in each replicate, as rows of a matrix; every row sums to the number of cells."""
    blocks = -(-CELLS // block)
    starts = np.random.default_rng(_SEED).integers(0, CELLS, (REPLICATES, blocks))
    lengths = np.full(blocks, block)
    lengths[-1] = CELLS - (blocks - 1) * block
    # Each block adds one at its start and subtracts it at its end, on a line twice as long as the circle.
    edges = np.zeros((REPLICATES, 2 * CELLS + 1), dtype=np.float32)
    replicate = np.arange(REPLICATES)[:, None]
    np.add.at(edges, (replicate, starts), 1)
    np.subtract.at(edges, (replicate, starts + lengths), 1)
    line: npt.NDArray[np.float32] = edges.cumsum(axis=1)
    return line[:, :CELLS] + line[:, CELLS : 2 * CELLS]


def _last_correlated_lag(correlation: Floats) -> int:
    """The last lag before the correlation ends; half of all lags if it never does."""
    negligible = np.abs(correlation[1:]) < 2 * np.sqrt(np.log10(CELLS) / CELLS)
    quiet = np.convolve(negligible, np.ones(_QUIET_LAGS), mode="valid") == _QUIET_LAGS
    return int(np.argmax(quiet)) if quiet.any() else correlation.size // 2
