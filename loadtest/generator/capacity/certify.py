"""Binomial tests of whether a server keeps a percentile, for requests that miss in bursts. Standard library only.

A request misses when it is later than the objective, or fails. Of n independent requests of a server that misses a
share p, the number of misses is binomial. Misses of a queue come in bursts, so `dispersion` says how many requests
count as one.
"""

import math
from collections.abc import Sequence
from operator import mul

# With fewer blocks their variance says too little. Whether a rate fails takes blocks that are longer, because one long
# burst is no proof, and gets them at the price of a less certain variance.
FEW_BLOCKS, FEWEST_BLOCKS = 8, 4


def binomial_cdf(most: int, trials: int, share: float) -> float:
    """The probability that at most `most` of `trials` miss, where each does with probability `share`."""
    if most < 0:
        return 0.0
    if most >= trials:
        return 1.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    log_terms = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_share
        + (trials - k) * log_rest
        for k in range(most + 1)
    ]  # fmt: skip
    largest = max(log_terms)
    return min(1.0, math.exp(largest) * math.fsum(math.exp(term - largest) for term in log_terms))


def meets_quantile(missed: int, trials: int, quantile: float, error: float) -> bool:
    """Whether a server that misses more than 1 − quantile would miss so few with a probability of at most `error`."""
    return trials > 0 and binomial_cdf(missed, trials, 1 - quantile) <= error


def fails_quantile(missed: int, trials: int, quantile: float, error: float) -> bool:
    """Whether a server that misses 1 − quantile or less would miss so many with a probability of at most `error`."""
    return missed > 0 and 1 - binomial_cdf(missed - 1, trials, 1 - quantile) <= error


def dispersion(flags: Sequence[bool], fewest_blocks: int = FEW_BLOCKS) -> float:
    """How many requests count as one independent request: 1 where flags are independent, more where they are in bursts.

    The variance of the sums of blocks of requests against that of independent requests, for the size of block at which
    it is largest (blocking: Flyvbjerg and Petersen, Journal of Chemical Physics 91, 1989).
    """
    count = len(flags)
    mean = sum(flags) / count if count else 0.0
    if not 0 < mean < 1:
        return 1.0
    sums: list[int] = [int(flag) for flag in flags]
    size, largest = 1, 1.0
    while len(sums) >= 2 * fewest_blocks:
        sums = [first + second for first, second in zip(sums[::2], sums[1::2], strict=False)]
        size *= 2
        variance = (sum(map(mul, sums, sums)) - sum(sums) ** 2 / len(sums)) / (len(sums) - 1)
        largest = max(largest, variance / (size * mean * (1 - mean)))
    return largest
