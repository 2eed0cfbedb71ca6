"""A figure with its 95 % interval, or with the bounds that are known of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeGuard, TypeVar, cast

Value_co = TypeVar("Value_co", bound=float | None, covariant=True)


@dataclass(frozen=True)
class Interval(Generic[Value_co]):
    """A value with its 95 % interval; of `Interval[None]` only bounds are known.

    `low` is 0 without a lower bound, `high` is infinite without an upper one.
    """

    value: Value_co
    low: float = 0.0
    high: float = math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no infinity: no upper bound is None."""
        return {"value": self.value, "low": self.low, "high": self.high if math.isfinite(self.high) else None}

    def text(self, show: Callable[[float], str]) -> str:
        """The value and its interval, or the bounds, formatted by `show`."""
        is_bounded = math.isfinite(self.high)
        if self.value is not None:
            return f"{show(self.value)} ({show(self.low)} to {show(self.high) if is_bounded else 'no upper bound'})"
        if not is_bounded:
            return f"at least {show(self.low)}" if self.low else "not known"
        return f"{show(self.low)} to {show(self.high)}" if self.low else f"at most {show(self.high)}"

    @property
    def log_below(self) -> float:
        """The distance from the lower end to the value, in logarithms."""
        return math.log(self.value / self.low) if self.value is not None and self.low > 0 else math.inf

    @property
    def log_above(self) -> float:
        """The distance from the value to the upper end, in logarithms."""
        return math.log(self.high / self.value) if self.value is not None and math.isfinite(self.high) else math.inf

    def times(self, factor: float) -> "Interval[Value_co]":
        value = None if self.value is None else self.value * factor
        return Interval(cast("Value_co", value), self.low * factor, self.high * factor)

    def divides(self, amount: float) -> "Interval[Value_co]":
        """`amount` divided by this figure, such as the hourly price by the good predictions of an hour."""
        value = None if self.value is None else amount / self.value if self.value else math.inf
        return Interval(cast("Value_co", value), amount / self.high, amount / self.low if self.low else math.inf)


def has_value(interval: Interval[float | None]) -> TypeGuard[Interval[float]]:
    """Whether more than bounds is known."""
    return interval.value is not None
