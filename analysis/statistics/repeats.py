"""Combines several runs of one variant at one load: intervals that also cover how much runs differ.

There are two levels of variation, within each run and between runs. Each side of an interval is the larger of two
half-widths: that of the mean of the runs' own intervals (squares add up), and Student's t of the differences between
runs. The second alone is right on average, but runs that happen to agree would look certain; with the larger of both
an interval is never narrower than the runs' own intervals allow. Runs are not resampled: three runs have only ten
different resamples.
"""

import math
from collections.abc import Sequence

import numpy as np

from analysis.interval import Interval
from analysis.statistics.estimate import student_t


def over_repeats(runs: Sequence[Interval[float]]) -> Interval[float]:
    """The geometric mean of figures above zero; of one run, its own interval.

    On a logarithmic scale, since speeds differ by factors, and so that cost and goodput agree. An interval without a
    bound is left out on that side.
    """
    if len(runs) == 1:
        return runs[0]
    count, logs = len(runs), [math.log(run.value) for run in runs]
    between = student_t(count - 1) * float(np.std(logs, ddof=1)) / math.sqrt(count)
    down = max(between, math.hypot(*(run.log_below for run in runs if run.low > 0)) / count)
    up = max(between, math.hypot(*(run.log_above for run in runs if math.isfinite(run.high))) / count)
    mean = float(np.mean(logs))
    return Interval(math.exp(mean), math.exp(mean - down), math.exp(mean + up))
