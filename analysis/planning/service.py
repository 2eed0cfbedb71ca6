"""How one replica serves: how long a request takes alone, how that varies, and how requests slow each other down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TABLE_SIZE = 1000


@dataclass(frozen=True)
class Service:
    """`alone_ms` is the mean of a request that has the replica to itself.

    `spread` holds equally likely multiples of it, of mean 1. `speeds[k - 1]` is how fast each of k requests goes
    that are served side by side, where 1 is the speed of one alone; as many as there are speeds are served at once,
    the others wait. Four threads on cores of their own are (1, 1, 1, 1); four on one core are (1, 1/2, 1/3, 1/4).
    """

    alone_ms: float
    spread: NDArray[np.float64]
    speeds: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what no server is."""
        if not (self.alone_ms > 0 and self.speeds and min(self.speeds) > 0 and self.spread.size):
            raise ValueError("a service takes time, serves at least one request at once, and has a spread")

    @property
    def threads(self) -> int:
        """How many requests are served side by side."""
        return len(self.speeds)

    @property
    def limit_rps(self) -> float:
        """The most that a replica can finish, in requests a second."""
        return max(count * speed for count, speed in enumerate(self.speeds, start=1)) / self.alone_ms * 1000


def spread_of(latencies: ArrayLike) -> NDArray[np.float64]:
    """A table of equally likely multiples of the mean, from measured times: their quantiles, divided by their mean."""
    measured = np.asarray(latencies, dtype=np.float64)
    if measured.size == 0 or not measured.mean() > 0:
        raise ValueError("without measured times there is no spread")
    table: NDArray[np.float64] = np.quantile(measured, (np.arange(_TABLE_SIZE) + 0.5) / _TABLE_SIZE)
    return np.asarray(table / table.mean())


def cores_of_its_own(threads: int) -> tuple[float, ...]:
    """The speeds of a replica each of whose threads has a core: nobody slows anybody."""
    return (1.0,) * threads
