"""What several runs of one variant say together: intervals that cover how much runs differ, too.

Of two levels: within each run, and from run to run. Each side of an interval is the larger of two half-widths: what the
runs' own intervals give for their mean (squares add up), and Student's t on what the runs differ by. The second alone
would be right on average, but runs that happen to agree would look certain; with the larger of both an interval is
never narrower than what the runs know of themselves. Runs are not resampled: three have ten different resamples.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from analysis.statistics.estimate import LEVEL, Estimate


def over_repeats(runs: Sequence[Estimate]) -> Estimate:
    """The geometric mean of figures above zero; of one run, that run's own interval.

    On a logarithmic scale, since speed differs by factors, and so that cost and goodput tell the same. A run whose own
    interval has no bound says nothing of it here. A run with nothing good has no logarithm: then it is the plain mean.
    """
    if len(runs) == 1:
        return runs[0]
    if any(run.value <= 0 for run in runs):
        return plain_mean(runs)
    below = [math.log(run.value / run.low) for run in runs if run.low > 0]
    above = [math.log(run.high / run.value) for run in runs if math.isfinite(run.high)]
    centre, down, up = _together([math.log(run.value) for run in runs], below, above)
    return Estimate(math.exp(centre), math.exp(centre - down), math.exp(centre + up))


def plain_mean(runs: Sequence[Estimate]) -> Estimate:
    """The arithmetic mean of figures that may be zero, such as shares of errors; never below zero."""
    if len(runs) == 1:
        return runs[0]
    below, above = (
        [abs(run.value - bound) for run, bound in zip(runs, bounds, strict=True)] for bounds in _bounds(runs)
    )
    centre, down, up = _together([run.value for run in runs], below, above)
    return Estimate(centre, max(0.0, centre - down), centre + up)


def _together(values: Sequence[float], below: Sequence[float], above: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its half-widths on both sides."""
    count = len(values)
    t = -float(stdtrit(count - 1, (1 - LEVEL) / 2))
    between = t * float(np.std(values, ddof=1)) / math.sqrt(count)
    return float(np.mean(values)), max(between, math.hypot(*below) / count), max(between, math.hypot(*above) / count)


def _bounds(runs: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    return [run.low for run in runs], [run.high for run in runs]
