"""What one run says by itself: figures with intervals that cover how much its own load and queue happened to vary."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv, ndtr, ndtri, stdtrit

from analysis.results.columns import Floats
from analysis.statistics.blocks import block_length, draws
from analysis.statistics.cells import CELLS, Cells, Tail
from analysis.statistics.estimate import LEVEL, Estimate

_TAIL_LEVEL = (1 - LEVEL) / 2
# Overlapping blocks tell as much as half as many again that do not overlap (Meketon and Schmeiser 1984).
_OVERLAP = 1.5
_UNEVEN_GROUPS = 2.0


@dataclass(frozen=True)
class RunFigures:
    """The figures of one run's hold. `quantiles_ms` is empty where no answer was good."""

    run_id: str
    requests: int
    goodput_rps: Estimate
    error_share: Estimate
    quantiles_ms: dict[float, Estimate]


def run_figures(run_id: str, cells: Cells) -> RunFigures:
    """All figures of a run."""
    return RunFigures(
        run_id=run_id,
        requests=int(cells.sent.sum()),
        goodput_rps=_goodput(cells),
        error_share=_error_share(cells),
        quantiles_ms={quantile: _quantile(cells, tail) for quantile, tail in cells.tails.items()},
    )


def _goodput(cells: Cells) -> Estimate:
    """Good answers a second: the percentile interval of the resampled counts, at a level that makes up for few blocks.

    That is the expanded percentile interval of Hesterberg 2015 ("What Teachers Should Know About the Bootstrap"). A
    request more or less at an edge of the hold is never evidence.
    """
    arrived = cells.arrived.astype(np.float64)
    block = block_length(arrived)
    totals = _resampled(arrived, block)
    total = float(arrived.sum())
    t = _student_t(_degrees_of_freedom(arrived, block))
    level = float(ndtr(-t * _few_blocks(block)))
    low, high = np.quantile(totals, [level, 1 - level])
    fewer, more = _if_bursts_are_few(cells)
    bounds = Estimate(total, max(0.0, min(float(low), total - fewer)), max(float(high), total + more))
    return bounds.times(1 / cells.duration_s)


def _if_bursts_are_few(cells: Cells) -> tuple[float, float]:
    """By how many good answers the run may be too high, and too low, because of how few groups its failures come in.

    Resampling five bursts of errors gives no sixth. Failures in g independent groups may have been as many as Poisson's
    exact bounds for g allow (Garwood 1936), and what was sent varies besides. A few groups of different sizes are worth
    less than the resampled variance says: by how much is set so that the bursts of bench.stores.regimes are covered.
    """
    failed, sent = cells.failed.astype(np.float64), cells.sent.astype(np.float64)
    variance = _variance(failed, block_length(failed))
    if variance == 0:
        return 1.0, 1.0
    total = float(failed.sum())
    groups = total**2 / variance
    groups *= groups / (groups + _UNEVEN_GROUPS)
    fewest = total * float(gammaincinv(groups, _TAIL_LEVEL)) / groups
    most = total * float(gammaincinv(groups + 1, 1 - _TAIL_LEVEL)) / groups
    half = -float(ndtri(_TAIL_LEVEL)) * math.sqrt(_variance(sent, block_length(sent)))
    return max(1.0, math.hypot(most - total, half)), max(1.0, math.hypot(total - fewest, half))


def _error_share(cells: Cells) -> Estimate:
    """Errors as a share of requests: Wilson's interval for as many independent requests as these are worth.

    No error in n requests then bounds the share by about 4/n, where resampling what has no error would say zero.
    """
    sent, failed = cells.sent.astype(np.float64), cells.failed.astype(np.float64)
    requests, share = float(sent.sum()), float(failed.sum() / sent.sum())
    score = failed - share * sent
    block = block_length(score)
    variance = _variance(score, block) / requests**2
    worth = min(requests, share * (1 - share) / variance) if variance > 0 else requests
    z = _student_t(_degrees_of_freedom(score, block))
    centre = (share + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * math.sqrt(share * (1 - share) / worth + z**2 / (4 * worth**2))
    # At no error, or nothing but errors, the bound is the share itself, but for rounding.
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def _quantile(cells: Cells, tail: Tail) -> Estimate:
    """A quantile of the response time: the values that the true share of slower answers may belong to (Woodruff 1952).

    How much that share varies is resampled; then the answers themselves say which response times have such shares.
    Slow answers come in groups (a queue, a slow spell), and `independent` is how many groups the run is worth. A run
    with few of them has both a low quantile and a small spread, so the spread is stretched by half of itself, and
    Student's t has no more degrees of freedom than groups. Where the share may be nothing, there is no upper bound.
    """
    expected = (1 - tail.quantile) * float(cells.good.sum())
    block = block_length(tail.excess)
    variation = float(_resampled(tail.excess, block).std()) * _few_blocks(block) / expected
    if not (tail.excess > 0).any():
        # No answer was slower than the quantile, so there is nothing to resample: it varies as independent answers do.
        variation = math.sqrt(tail.quantile / expected)
    independent = 1 / variation**2 if variation else math.inf
    t = _student_t(max(1.0, min(_OVERLAP * (CELLS / block - 1), independent)))
    spread = t * variation * (1 + variation / 2)
    most, least = (1 - tail.quantile) * (1 + spread), (1 - tail.quantile) * (1 - spread)
    low, high = np.interp([1 - most, 1 - least], tail.levels, tail.values_ms, left=0.0, right=math.inf)
    return Estimate(tail.value_ms, float(min(low, tail.value_ms)), float(max(high, tail.value_ms)))


def _resampled(series: Floats, block: int) -> Floats:
    """The sum of the series in each replicate."""
    return draws(block) @ series


def _variance(series: Floats, block: int) -> float:
    """Of the sum of the series, from one run of it to another."""
    return float((_resampled(series, block).std() * _few_blocks(block)) ** 2)


def _few_blocks(block: int) -> float:
    """By how much resampling blocks of this length understates a standard deviation."""
    blocks = CELLS / block
    return math.sqrt(blocks / (blocks - 1))


def _degrees_of_freedom(series: Floats, block: int) -> float:
    """How well the spread of the block sums is known: less well where few blocks make most of it.

    The variance of a variance grows with the kurtosis, here of the sums of all blocks on the circle.
    """
    degrees = _OVERLAP * (CELLS / block - 1)
    sums = np.convolve(np.concatenate([series, series[: block - 1]]), np.ones(block), mode="valid")
    deviations = sums - sums.mean()
    variance = float((deviations**2).mean())
    if variance <= 0:
        return degrees
    excess_kurtosis = max(0.0, float((deviations**4).mean()) / variance**2 - 3)
    return max(1.0, degrees * 2 / (2 + excess_kurtosis))


def _student_t(degrees_of_freedom: float) -> float:
    return -float(stdtrit(degrees_of_freedom, _TAIL_LEVEL))
