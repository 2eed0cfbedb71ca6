"""Batch means: how much the sum of a series would differ from run to run, from blocks of neighbouring cells.

Neighbouring requests share a queue, so they carry less information than independent ones; blocks that are much longer
than a queue lasts are nearly independent (Schmeiser 1982; Law, "Simulation Modeling and Analysis", chapter 9).
"""

import math

from analysis.results.run.columns import Floats
from analysis.results.run.wander import wander_of
from analysis.statistics.estimate import Z, student_t

# Few and long: a bootstrap of blocks as long as the autocorrelation asks for has the same coverage and more parts.
BLOCKS = 8
# Where the rate wanders, even an eighth of the hold is alike to the next.
_BLOCKS_IF_WANDERING, _WANDERS_FROM_Z = 4, 1.0


def half_width_of_sum(series: Floats) -> float:
    """Half of the interval of the series' sum, by Student's t of batch means.

    Where its rate wanders, blocks are fewer, and the wander may be as slow as the run is long: then all of the run is
    one draw of it.
    """
    wander = wander_of(series)
    if wander.z <= _WANDERS_FROM_Z:
        return student_t(BLOCKS - 1) * sd_of_sum(series)
    of_blocks = student_t(_BLOCKS_IF_WANDERING - 1) * sd_of_sum(series, _BLOCKS_IF_WANDERING)
    return math.hypot(of_blocks, Z * wander.sd * float(series.sum()))


def sd_of_sum(series: Floats, blocks: int = BLOCKS) -> float:
    """The standard deviation of the series' sum between runs, with `blocks` - 1 degrees of freedom."""
    sums = series.reshape(blocks, -1).sum(axis=1)
    return math.sqrt(blocks * float(sums.var(ddof=1)))
