"""Misses that come in bursts: how many requests count as one, and chances that allow for it."""

import numpy as np
from scipy.special import betainc

from analysis.results.run.columns import Booleans, Floats

# With fewer blocks their variance says too little. Whether a rate fails takes blocks that are longer, because one long
# burst is no proof, and gets them at the price of a less certain variance.
FEW_BLOCKS, FEWEST_BLOCKS = 8, 4
# Bursts of misses are as long as those above lower levels, of which there are more.
_LEVELS = (0.5, 0.8, 0.95)


def dispersion(flags: Booleans, fewest_blocks: int = FEW_BLOCKS) -> float:
    """How many requests count as one independent request: 1 where flags are independent, more where they are in bursts.

    The variance of the sums of blocks of requests against that of independent requests, for the size of block at which
    it is largest (blocking: Flyvbjerg and Petersen, Journal of Chemical Physics 91, 1989).
    """
    mean = float(flags.mean()) if flags.size else 0.0
    if not 0 < mean < 1:
        return 1.0
    sums, size, largest = flags.astype(np.float64), 1, 1.0
    while sums.size >= 2 * fewest_blocks:
        pairs = sums.size // 2 * 2
        sums = sums[0:pairs:2] + sums[1:pairs:2]
        size *= 2
        largest = max(largest, float(sums.var(ddof=1)) / (size * mean * (1 - mean)))
    return largest


def queue_dispersion(response_s: Floats, missed: Booleans, fewest_blocks: int = FEW_BLOCKS) -> float:
    """The largest dispersion of the misses and of the requests above levels of response time that more of them reach.

    In a queue an excursion above any level lasts about as long as one above a higher level, so requests that hardly
    miss still tell how long a burst of misses is.
    """
    levels = np.quantile(response_s, _LEVELS, method="lower") if response_s.size else ()
    return max(
        dispersion(missed, fewest_blocks), *(dispersion(response_s > level, fewest_blocks) for level in levels), 1.0
    )


def chance_of_so_few(missed: float, requests: float, share: float) -> float:
    """The probability that a server that misses `share` or more would miss so few, at most.

    The numbers are of independent requests and may be fractions: the binomial law by the incomplete beta function.
    """
    if share <= 0 or missed >= requests:
        return 1.0
    return float(1 - betainc(missed + 1, requests - missed, share))


def chance_of_so_many(missed: float, requests: float, share: float) -> float:
    """The probability that a server that misses `share` or less would miss so many, at most."""
    if missed <= 0:
        return 1.0
    return 0.0 if share <= 0 else float(betainc(missed, requests - missed + 1, share))


def chance_of_failures(failed: Booleans, errors: float) -> float:
    """The same of failed requests that may come in bursts, for a server of which a share `errors` fails."""
    worth = dispersion(failed, FEWEST_BLOCKS)
    return chance_of_so_many(float(failed.sum()) / worth, failed.size / worth, errors)
