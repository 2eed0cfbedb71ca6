"""Binomial tests of whether a server meets a percentile, and how many requests they need. Standard library only.

A request misses when it is later than the objective, or fails. Of n independent requests of a server that misses a
share p, the number of misses is binomial. `autocorrelation_time` corrects for requests that are not independent.
"""

import math
from collections.abc import Sequence

CONFIDENCE = 0.99


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


def meets_quantile(missed: int, trials: int, quantile: float, confidence: float = CONFIDENCE) -> bool:
    """Whether a server that misses more than 1 − quantile would hardly ever miss so few."""
    return trials > 0 and binomial_cdf(missed, trials, 1 - quantile) <= 1 - confidence


def fails_quantile(missed: int, trials: int, quantile: float, confidence: float = CONFIDENCE) -> bool:
    """Whether a server that misses no more than 1 − quantile would hardly ever miss so many."""
    return missed > 0 and 1 - binomial_cdf(missed - 1, trials, 1 - quantile) <= 1 - confidence


def required_requests(quantile: float, missed: int = 1, confidence: float = CONFIDENCE) -> int:
    """The smallest number of requests that can show that the quantile is met, when `missed` of them miss.

    With one miss allowed it is 64 for p90 and 662 for p99 at 99 %, as in MLPerf's early stopping (MLCommons,
    inference_policies: inference_rules.adoc, appendix "Early Stopping"), where one outlier cannot decide a run;
    with none it would be 44 and 459.
    """
    low, high = missed, 2 * missed + 2
    while not meets_quantile(missed, high, quantile, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets_quantile(missed, middle, quantile, confidence) else (middle, high)
    return high


def autocorrelation_time(flags: Sequence[bool]) -> float:
    """How many requests count as one independent request: 1 where flags are independent, more where they are in bursts.

    The integrated autocorrelation time, cut off where the sum stops growing faster than its window
    (window ≥ 5 × the time: A. Sokal, "Monte Carlo Methods in Statistical Mechanics", 1997, section 3).
    """
    count = len(flags)
    mean = sum(flags) / count if count else 0.0
    if not 0 < mean < 1:
        return 1.0
    raised = [index for index, flag in enumerate(flags) if flag]
    positions = set(raised)
    time = 1.0
    for lag in range(1, count // 4):
        together = sum(index + lag in positions for index in raised)
        covariance = together / (count - lag) - mean * mean
        time += 2 * covariance / (mean * (1 - mean))
        if lag >= 5 * time:
            break
    return max(1.0, time)
