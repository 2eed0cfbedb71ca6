"""The level of all intervals, their critical values, and the cost of a million predictions."""

from scipy.special import ndtri, stdtrit

from analysis.interval import Interval, Value_co

LEVEL = 0.95
# The probability beyond each end of an interval, and half of an interval in standard deviations.
TAIL = (1 - LEVEL) / 2
Z = float(ndtri((1 + LEVEL) / 2))


def student_t(degrees_of_freedom: float, intervals: int = 1) -> float:
    """Half of an interval in standard deviations that are estimated with so many degrees of freedom.

    So many `intervals` hold together at 95 % (Bonferroni).
    """
    return -float(stdtrit(degrees_of_freedom, TAIL / intervals))


def usd_per_million_at(rps: float, usd_hourly: float) -> float:
    """The hourly price divided by the predictions of an hour at `rps`, in millions."""
    return usd_hourly / (rps * 3600) * 1e6


def usd_per_million(rps: Interval[Value_co], usd_hourly: float) -> Interval[Value_co]:
    """`usd_per_million_at` with its interval."""
    return rps.times(3600 / 1e6).divides(usd_hourly)
