"""The figures of one run with intervals that cover the variation of load and queue within the run."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from analysis.interval import Interval
from analysis.statistics.blocks import BLOCKS, half_width_of_sum, sd_of_sum
from analysis.statistics.cells import Cells, Tail
from analysis.statistics.estimate import TAIL, Z, student_t

_UNEVEN_GROUPS = 2.0


@dataclass(frozen=True)
class RunFigures:
    """The figures of one run's counted phase. `quantiles_ms` is empty where no answer was good."""

    run_id: str
    requests: int
    goodput_rps: Interval[float]
    error_share: Interval[float]
    quantiles_ms: dict[float, Interval[float]]


def run_figures(run_id: str, cells: Cells) -> RunFigures:
    return RunFigures(
        run_id=run_id,
        requests=int(cells.sent.sum()),
        goodput_rps=_goodput(cells),
        error_share=_error_share(cells),
        quantiles_ms={quantile: _quantile(cells, tail) for quantile, tail in cells.tails.items()},
    )


def _goodput(cells: Cells) -> Interval[float]:
    """Good answers per second: Student's t of batch means, and at least one request wide on each side.

    A request at an edge of the hold is no evidence.
    """
    arrived = cells.arrived.astype(np.float64)
    total, half = float(arrived.sum()), half_width_of_sum(arrived)
    fewer, more = _margin_of_bursts(cells)
    bounds = Interval(total, max(0.0, total - max(half, fewer)), total + max(half, more))
    return bounds.times(1 / cells.duration_s)


def _margin_of_bursts(cells: Cells) -> tuple[float, float]:
    """By how many good answers the run may be too high, and too low, where its failures come in few bursts.

    Five bursts of errors do not show how likely a sixth is. The number of g independent bursts has Poisson's exact
    bounds (Garwood 1936), and the number of requests varies, too. A few bursts of different sizes are worth less than
    their variance says; the correction is set so that the bursts of bench.stores.regimes are covered.
    """
    failed, sent = cells.failed.astype(np.float64), cells.sent.astype(np.float64)
    variance = sd_of_sum(failed) ** 2
    if variance == 0:
        return 1.0, 1.0
    total = float(failed.sum())
    groups = total**2 / variance
    groups *= groups / (groups + _UNEVEN_GROUPS)
    fewest = total * float(gammaincinv(groups, TAIL)) / groups
    most = total * float(gammaincinv(groups + 1, 1 - TAIL)) / groups
    half = Z * sd_of_sum(sent)
    return max(1.0, math.hypot(most - total, half)), max(1.0, math.hypot(total - fewest, half))


def _error_share(cells: Cells) -> Interval[float]:
    """The share of failed requests: Wilson's interval for the effective number of independent requests.

    Without an error in n requests the upper bound is about 4/n; batch means alone would give zero.
    """
    sent, failed = cells.sent.astype(np.float64), cells.failed.astype(np.float64)
    requests, share = float(sent.sum()), float(failed.sum() / sent.sum())
    variance = (sd_of_sum(failed - share * sent) / requests) ** 2
    worth = min(requests, share * (1 - share) / variance) if variance > 0 else requests
    z = student_t(BLOCKS - 1) if failed.any() else Z
    centre = (share + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * math.sqrt(share * (1 - share) / worth + z**2 / (4 * worth**2))
    # Without errors, or with errors only, one bound is the share itself, except for rounding.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def _quantile(cells: Cells, tail: Tail) -> Interval[float]:
    """A quantile of the response time, by inverting an interval of the share of slower answers (Woodruff 1952).

    The variation of that share is that of batch means; the response times with the shares at its ends are the interval.
    Slow answers come in groups (a queue, a slow period), and `independent` is the effective number of groups. A run
    with few groups has both a low quantile and a small spread, so the spread is increased by half of itself, and
    Student's t has no more degrees of freedom than groups. Where the share may be zero, there is no upper bound.
    """
    expected = (1 - tail.quantile) * float(cells.good.sum())
    variation = sd_of_sum(tail.excess) / expected
    if not (tail.excess > 0).any():
        # No answer is above the quantile, so nothing varies: take the variation of independent answers.
        variation = math.sqrt(tail.quantile / expected)
    independent = 1 / variation**2 if variation else math.inf
    t = student_t(max(1.0, min(BLOCKS - 1, independent)))
    spread = t * variation * (1 + variation / 2)
    most, least = (1 - tail.quantile) * (1 + spread), (1 - tail.quantile) * (1 - spread)
    low, high = np.interp([1 - most, 1 - least], tail.levels, tail.values_ms, left=0.0, right=math.inf)
    return Interval(tail.value_ms, float(min(low, tail.value_ms)), float(max(high, tail.value_ms)))
