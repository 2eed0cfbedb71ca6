"""The service times of one replica: of a request alone, their distribution, and how requests slow each other down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TABLE_SIZE = 1000


@dataclass(frozen=True)
class Service:
    """`alone_ms` is the mean service time of a request that has the replica to itself.

    `spread` holds equally likely multiples of it, with mean 1. `speeds[k - 1]` is the speed of each of k requests that
    are served at once, where 1 is the speed of a request alone. At most `len(speeds)` requests are served at once; the
    others wait, and the next one is any of the first `begun_among` of them. Four threads with a core each are (1, 1, 1,
    1); four threads on one core are (1, 1/2, 1/3, 1/4).
    """

    alone_ms: float
    spread: NDArray[np.float64]
    speeds: tuple[float, ...]
    begun_among: int = 1

    def __post_init__(self) -> None:
        if not (self.alone_ms > 0 and self.speeds and min(self.speeds) > 0 and self.spread.size):
            raise ValueError(
                "alone_ms and all speeds must be above 0 and spread must not be empty, or there is nothing to simulate"
            )

    @property
    def limit_rps(self) -> float:
        return max(count * speed for count, speed in enumerate(self.speeds, start=1)) / self.alone_ms * 1000


def spread_of(latencies: ArrayLike) -> NDArray[np.float64]:
    """Equally likely multiples of the mean: quantiles of measured times, divided by their mean."""
    measured = np.asarray(latencies, dtype=np.float64)
    if measured.size == 0 or not measured.mean() > 0:
        raise ValueError("there are no measured times above 0, so they have no spread")
    table: NDArray[np.float64] = np.quantile(measured, (np.arange(_TABLE_SIZE) + 0.5) / _TABLE_SIZE)
    return np.asarray(table / table.mean())
