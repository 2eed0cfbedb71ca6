"""The ratio of two figures with its interval, and how many more runs would make an interval narrow enough."""

import math

from scipy.special import ndtri

from analysis.statistics.estimate import TAIL, Estimate, Z, student_t

_FEWEST_RUNS, _MOST_RUNS = 3, 50


def ratio(of: Estimate, to: Estimate, comparisons: int = 1) -> Estimate:
    """`of` divided by `to`.

    The squares of both half-widths, on a logarithmic scale, add up (Zou and Donner 2008). The intervals of several
    `comparisons` hold together at 95 % (Bonferroni).
    """
    wider = float(ndtri(1 - TAIL / comparisons)) / Z
    centre = of.value / to.value
    below = wider * math.hypot(of.log_below, to.log_above)
    above = wider * math.hypot(of.log_above, to.log_below)
    return Estimate(centre, centre * math.exp(-below), centre * math.exp(above))


def runs_to_settle(half_width: float, runs: int, gap: float) -> int | None:
    """How many more runs make the half-width (in logarithms) smaller than the gap; None if more than 50.

    An estimate from the spread so far: that of one run is the spread within it, and runs may differ by more.
    """
    if not math.isfinite(half_width):
        return max(1, _FEWEST_RUNS - runs)
    spread = half_width * math.sqrt(runs) / (student_t(runs - 1) if runs > 1 else Z)
    for total in range(max(_FEWEST_RUNS, runs + 1), _MOST_RUNS + 1):
        if student_t(total - 1) * spread / math.sqrt(total) < gap:
            return total - runs
    return None
