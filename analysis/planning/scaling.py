"""Scaling laws of one replica, fitted to a throughput-latency curve: the Universal Scalability Law, and plain threads.

A law gives a replica's throughput while n requests are in it. Over time n changes, and the throughput is the mean of
the law over it (rate conservation). That mean is fitted, so it does not matter how requests arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_MOST_THREADS = 64
# One level of load does not show how throughput changes.
_FEWEST_POINTS = 2
# No law is exact: a point of very many requests does not weigh more than one that is known to this share.
_LAW_ERROR = 0.02
_BETTER_BY = 0.01
# The search for the two coefficients of the USL: a grid, then finer ones around what was best.
_GRID, _ROUNDS = 15, 8
# At n = 0 the USL's divisor may be 0 or less; the dividend is 0, too.
_NO_LESS = 1e-9


@dataclass(frozen=True)
class Point:
    """One level of load on a replica. `present[n]` is the share of the time with n requests in it."""

    present: NDArray[np.float64]
    latency_ms: float
    rps: float
    requests: int

    @property
    def in_system(self) -> float:
        """The mean number of requests in the replica."""
        return float(self.present @ np.arange(self.present.size))


@dataclass(frozen=True)
class Scaling:
    """A fitted law. `error` is the root mean square of its relative errors of throughput, weighted by requests.

    `usl` (N. Gunther, Guerrilla Capacity Planning, 2007): the throughput with n requests is
    n / (alone (1 + contention (n - 1) + coherency n (n - 1))). `threads`: as many requests as there are threads do not
    slow each other down, and the others wait.
    """

    law: Literal["usl", "threads"]
    alone_ms: float
    contention: float
    coherency: float
    threads: int | None
    error: float
    points: int

    def speeds(self, most_at_once: int) -> tuple[float, ...]:
        """`Service.speeds` of a server that serves at most so many requests at once."""
        if self.threads is not None:
            return (1.0,) * min(self.threads, most_at_once)
        return tuple((1 / _slower(np.arange(1.0, most_at_once + 1), self.contention, self.coherency)).tolist())

    def rps(self, present: NDArray[np.float64], most_at_once: int) -> float:
        """The mean throughput where `present[n]` is the share of the time with n requests in the replica."""
        n = np.minimum(np.arange(present.size, dtype=np.float64), most_at_once)
        if self.threads is not None:
            side_by_side = np.minimum(n, self.threads)
        else:
            side_by_side = n / np.maximum(_slower(n, self.contention, self.coherency), _NO_LESS)
        return float(present @ side_by_side) / self.alone_ms * 1000


def fit(points: Sequence[Point], most_at_once: int) -> tuple[Scaling, ...]:
    """Both laws, the better one first; none where there are too few points to fit them.

    `threads`, which has one coefficient less, is the better one unless the error of the other is clearly smaller.
    Requests beyond `most_at_once` wait outside and slow none down.
    """
    if len({point.in_system for point in points}) < _FEWEST_POINTS:
        return ()
    present = np.zeros((len(points), max(point.present.size for point in points)))
    for row, point in zip(present, points, strict=True):
        row[: point.present.size] = point.present
    measured = _Measured(
        n=np.minimum(np.arange(present.shape[1], dtype=np.float64), most_at_once),
        present=present,
        rps=np.array([point.rps for point in points]),
        weights=np.array([1 / (_LAW_ERROR**2 + 1 / point.requests) for point in points]),
    )
    threads, usl = _fit_threads(measured), _fit_usl(measured)
    return (usl, threads) if usl.error < threads.error - _BETTER_BY else (threads, usl)


@dataclass(frozen=True)
class _Measured:
    """The points as arrays; `weights` are one over the squared error to which each is known."""

    n: NDArray[np.float64]
    present: NDArray[np.float64]
    rps: NDArray[np.float64]
    weights: NDArray[np.float64]

    def alone_s_and_error(self, side_by_side: NDArray[np.float64]) -> tuple[float, float]:
        """The best service time, and its error, where n requests are as fast as `side_by_side[n]` requests alone."""
        relative = self.present @ side_by_side / self.rps
        alone_s = float((self.weights * relative**2).sum() / (self.weights * relative).sum())
        errors = relative / alone_s - 1
        return alone_s, float(np.sqrt(np.average(errors**2, weights=self.weights)))


def _fit_threads(measured: _Measured) -> Scaling:
    def with_threads(threads: int) -> Scaling:
        alone_s, error = measured.alone_s_and_error(np.minimum(measured.n, threads))
        return Scaling("threads", alone_s * 1000, 0.0, 0.0, threads, error, len(measured.rps))

    return min((with_threads(threads) for threads in range(1, _MOST_THREADS + 1)), key=lambda law: law.error)


def _fit_usl(measured: _Measured) -> Scaling:
    def with_coefficients(contention: float, coherency: float) -> Scaling:
        side_by_side = measured.n / np.maximum(_slower(measured.n, contention, coherency), _NO_LESS)
        alone_s, error = measured.alone_s_and_error(side_by_side)
        return Scaling("usl", alone_s * 1000, contention, coherency, None, error, len(measured.rps))

    low, high = np.array([0.0, 0.0]), np.array([1.5, 0.5])
    best = with_coefficients(0.0, 0.0)
    for _ in range(_ROUNDS):
        grid = [
            with_coefficients(float(contention), float(coherency))
            for contention in np.linspace(low[0], high[0], _GRID)
            for coherency in np.linspace(low[1], high[1], _GRID)
        ]
        best = min((best, *grid), key=lambda law: law.error)
        step = (high - low) / (_GRID - 1) * 2
        centre = np.array([best.contention, best.coherency])
        low, high = np.maximum(centre - step, 0.0), centre + step
    return best


def _slower(n: NDArray[np.float64], contention: float, coherency: float) -> NDArray[np.float64]:
    """The time of one of n requests as a multiple of that of a request alone."""
    return 1 + contention * (n - 1) + coherency * n * (n - 1)
