"""Combines several runs of one variant: intervals that also cover how much runs differ.

There are two levels of variation, within each run and between runs. Each side of an interval is the larger of two
half-widths: that of the mean of the runs' own intervals (squares add up), and Student's t of the differences between
runs. The second alone is right on average, but runs that happen to agree would look certain; with the larger of both
an interval is never narrower than the runs' own intervals allow. Runs are not resampled: three runs have only ten
different resamples.
"""

import math
from collections.abc import Sequence

import numpy as np

from analysis.statistics.estimate import Estimate, student_t


def over_repeats(runs: Sequence[Estimate]) -> Estimate:
    """The geometric mean of figures above zero; of one run, its own interval.

    On a logarithmic scale, since speeds differ by factors, and so that cost and goodput agree. An interval without a
    bound is left out on that side. A value of zero has no logarithm: then it is the arithmetic mean.
    """
    if len(runs) == 1:
        return runs[0]
    if any(run.value <= 0 for run in runs):
        return plain_mean(runs)
    below = [run.log_below for run in runs if run.low > 0]
    above = [run.log_above for run in runs if math.isfinite(run.high)]
    centre, down, up = _mean([math.log(run.value) for run in runs], below, above)
    return Estimate(math.exp(centre), math.exp(centre - down), math.exp(centre + up))


def plain_mean(runs: Sequence[Estimate]) -> Estimate:
    """The arithmetic mean of figures that may be zero, such as error shares; its interval does not go below zero."""
    if len(runs) == 1:
        return runs[0]
    below, above = [run.value - run.low for run in runs], [run.high - run.value for run in runs]
    centre, down, up = _mean([run.value for run in runs], below, above)
    return Estimate(centre, max(0.0, centre - down), centre + up)


def _mean(values: Sequence[float], below: Sequence[float], above: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its half-widths on both sides."""
    count = len(values)
    between = student_t(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return float(np.mean(values)), max(between, math.hypot(*below) / count), max(between, math.hypot(*above) / count)
