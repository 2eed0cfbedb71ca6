"""What several runs of one variant say together: intervals that cover how much runs differ, too."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.statistics.estimate import LEVEL, Estimate

_Z = float(ndtri((1 + LEVEL) / 2))


def over_repeats(runs: Sequence[Estimate]) -> Estimate:
    """Their geometric mean, with an interval of two levels; of one run, that run's own interval.

    On a logarithmic scale, since speed differs by factors, and so that cost and goodput tell the same. Each side is the
    larger of two half-widths: what the runs' own intervals give for their mean (squares add up), and Student's t on
    what the runs differ by. The second alone would be right on average, but runs that happen to agree would look
    certain; with the larger of both the interval is never narrower than what the runs know of themselves. A run whose
    own interval has no bound says nothing here. Runs are not resampled: three have ten different resamples.
    """
    if len(runs) == 1 or any(run.value <= 0 for run in runs):
        return runs[0] if len(runs) == 1 else _widest(runs)
    logarithms = np.log([run.value for run in runs])
    centre, count = float(logarithms.mean()), len(runs)
    between = -float(stdtrit(count - 1, (1 - LEVEL) / 2)) * float(logarithms.std(ddof=1)) / math.sqrt(count)
    below = math.hypot(*(math.log(run.value / run.low) for run in runs if run.low > 0)) / count
    above = math.hypot(*(math.log(run.high / run.value) for run in runs if math.isfinite(run.high))) / count
    return Estimate(math.exp(centre), math.exp(centre - max(between, below)), math.exp(centre + max(between, above)))


def _widest(runs: Sequence[Estimate]) -> Estimate:
    """Where a run's figure is zero there is no logarithm: the mean, and from the lowest bound to the highest."""
    return Estimate(
        float(np.mean([run.value for run in runs])), min(run.low for run in runs), max(run.high for run in runs)
    )
