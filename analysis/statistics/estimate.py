"""One figure with its 95 % interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and what it may be; `high` is infinite where the data sets no upper bound, `low` 0 where no lower one."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no infinity: no bound is None."""
        return {"value": self.value, "low": self.low, "high": self.high if math.isfinite(self.high) else None}

    def text(self, show: Callable[[float], str]) -> str:
        """The value and its interval, both as `show` writes them."""
        high = show(self.high) if math.isfinite(self.high) else "no upper bound"
        return f"{show(self.value)} ({show(self.low)} to {high})"

    def change(self) -> str:
        """Of a ratio: what it adds or takes away, in percent."""
        return self.text(lambda value: f"{(value - 1) * 100:+.1f}") + " %"

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def divides(self, amount: float) -> "Estimate":
        """`amount` divided by this, such as the cost of an hour by the good predictions of an hour."""
        return Estimate(
            amount / self.value if self.value else math.inf,
            amount / self.high,
            amount / self.low if self.low else math.inf,
        )
