"""Batch means: how much the sum of a series would differ from run to run, from blocks of neighbouring cells.

Neighbouring requests share a queue, so they carry less information than independent ones; blocks that are much longer
than a queue lasts are nearly independent (Schmeiser 1982; Law, "Simulation Modeling and Analysis", chapter 9).
"""

import math

from analysis.results.run.columns import Floats
from analysis.results.run.wander import wander_of

# Few and long: a bootstrap of blocks as long as the autocorrelation asks for has the same coverage and more parts.
BLOCKS = 8
# Where the rate wanders, even an eighth of the hold is alike to the next.
_BLOCKS_IF_WANDERING, _WANDERS_FROM_Z = 4, 1.0


def blocks_of(series: Floats) -> int:
    """How many blocks are independent enough: fewer where the series wanders."""
    return _BLOCKS_IF_WANDERING if wander_of(series).z > _WANDERS_FROM_Z else BLOCKS


def sd_of_sum(series: Floats, blocks: int = BLOCKS) -> float:
    """The standard deviation of the series' sum between runs, with `blocks` - 1 degrees of freedom."""
    sums = series.reshape(blocks, -1).sum(axis=1)
    return math.sqrt(blocks * float(sums.var(ddof=1)))
