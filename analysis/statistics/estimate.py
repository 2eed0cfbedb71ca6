"""A figure with its 95 % interval, and the functions that compute such intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, overload

from scipy.special import ndtri, stdtrit

LEVEL = 0.95
# The probability beyond each end of an interval, and half of an interval in standard deviations.
TAIL = (1 - LEVEL) / 2
Z = float(ndtri((1 + LEVEL) / 2))


def student_t(degrees_of_freedom: float, intervals: int = 1) -> float:
    """Half of an interval in standard deviations that are estimated with so many degrees of freedom.

    So many `intervals` hold together at 95 % (Bonferroni).
    """
    return -float(stdtrit(degrees_of_freedom, TAIL / intervals))


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `high` is infinite without an upper bound, `low` is 0 without a lower one."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no infinity: no bound is None."""
        return {"value": self.value, "low": self.low, "high": self.high if math.isfinite(self.high) else None}

    def text(self, show: Callable[[float], str]) -> str:
        """The value and its interval, formatted by `show`."""
        high = show(self.high) if math.isfinite(self.high) else "no upper bound"
        return f"{show(self.value)} ({show(self.low)} to {high})"

    @property
    def log_below(self) -> float:
        """The distance from the lower end to the value, in logarithms."""
        return math.log(self.value / self.low) if self.low > 0 else math.inf

    @property
    def log_above(self) -> float:
        """The distance from the value to the upper end, in logarithms."""
        return math.log(self.high / self.value) if math.isfinite(self.high) else math.inf

    def times(self, factor: float) -> "Estimate":
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def divides(self, amount: float) -> "Estimate":
        """`amount` divided by this estimate, such as the hourly price by the good predictions of an hour."""
        return Estimate(
            amount / self.value if self.value else math.inf,
            amount / self.high,
            amount / self.low if self.low else math.inf,
        )


@dataclass(frozen=True)
class Bounds:
    """A figure of which only bounds are known; 0 is no lower one, and infinity no upper one."""

    low: float
    high: float
    value: ClassVar[None] = None

    def to_dict(self) -> dict[str, Any]:
        return {"value": None, "low": self.low, "high": self.high if math.isfinite(self.high) else None}

    def text(self, show: Callable[[float], str]) -> str:
        if not math.isfinite(self.high):
            return f"at least {show(self.low)}" if self.low else "not known"
        return f"{show(self.low)} to {show(self.high)}" if self.low else f"at most {show(self.high)}"

    def times(self, factor: float) -> "Bounds":
        return Bounds(self.low * factor, self.high * factor)

    def divides(self, amount: float) -> "Bounds":
        return Bounds(amount / self.high, amount / self.low if self.low else math.inf)


def usd_per_million_at(rps: float, usd_hourly: float) -> float:
    """The hourly price divided by the predictions of an hour at `rps`, in millions."""
    return usd_hourly / (rps * 3600) * 1e6


@overload
def usd_per_million(rps: Estimate, usd_hourly: float) -> Estimate: ...


@overload
def usd_per_million(rps: Estimate | Bounds, usd_hourly: float) -> Estimate | Bounds: ...


def usd_per_million(rps: Estimate | Bounds, usd_hourly: float) -> Estimate | Bounds:
    """`usd_per_million_at` with its interval."""
    return rps.times(3600 / 1e6).divides(usd_hourly)
