"""The scaling law of one replica, fitted to a throughput-latency curve: its throughput while n requests are in it.

While a level is measured, n changes, and the throughput is the mean of the law over n (rate conservation). The fit uses
this mean, so it does not matter how requests arrived.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from analysis.results.run.columns import Floats

# How many requests a server may serve at once: those that a law is fitted for.
_AT_ONCE = (*range(1, 17), 20, 24, 32, 48, 64)
# One level of load does not show how throughput changes.
_FEWEST_POINTS = 2
# No law is exact: a point of very many requests does not weigh more than one that is known to this share.
_LAW_ERROR = 0.02
# Besides the contention with the smallest error, those on a grid from 0 to 1 are possible.
_CONTENTIONS = np.linspace(0, 1, 11)
# A law with contention must be better by this much than one without, or the difference is noise: of the error, and of
# squared standard errors.
_BETTER_BY = 0.01
_SPEAKS_AGAINST = 9.0


@dataclass(frozen=True)
class Point:
    """One level of load on a replica. `present[n]` is the share of the time with n requests in it."""

    present: Floats
    latency_ms: float
    rps: float
    requests: int

    @property
    def in_system(self) -> float:
        """The mean number of requests in the replica."""
        return float(self.present @ np.arange(self.present.size))


@dataclass(frozen=True)
class Scaling:
    """The throughput of a server with a queue, by Amdahl's law: the Universal Scalability Law without coherency.

    At most `at_once` requests are served at once, and others wait. The throughput of n that are served is
    n / (alone (1 + contention (n - 1))): with a contention of 0 each has a core of its own, with 1 they share one core.
    `error` is the root mean square of its relative errors of throughput over so many `points`, weighted by precision.

    Coherency (N. Gunther, Guerrilla Capacity Planning, 2007) would make the throughput decline. Fitted to a few levels
    of light load it predicts a collapse under heavier load that a server with a queue does not have: docs/planning.md.
    """

    at_once: int
    alone_ms: float
    contention: float
    error: float
    points: int

    @property
    def speeds(self) -> tuple[float, ...]:
        """As in `Service`."""
        return tuple((1 / _slower(np.arange(1.0, self.at_once + 1), self.contention)).tolist())

    @property
    def limit_rps(self) -> float:
        """The throughput of the replica with as many requests as it serves at once, or more."""
        return self.at_once * self.speeds[-1] / self.alone_ms * 1000

    def rps(self, present: Floats) -> float:
        """The mean throughput where `present[n]` is the share of the time with n requests in the replica."""
        n = np.minimum(np.arange(float(present.size)), self.at_once)
        return float(present @ (n / _slower(n, self.contention))) / self.alone_ms * 1000


def _fits(_: Scaling) -> float:
    return 0.0


def fit(points: Sequence[Point], most_at_once: int, misfit: Callable[[Scaling], float] = _fits) -> tuple[Scaling, ...]:
    """The best law without contention and the best with it, the better one first; none with too few levels of load.

    Up to `most_at_once` requests are served at once. Throughput tells laws with contention badly apart, by how many are
    served at once and by their contention. So of those with about the same error the one is taken of which the squared
    errors of the levels and the `misfit`, both in squared standard errors, have the smallest sum.
    The law without contention is the better one unless the error of the other is clearly smaller, or its misfit is.
    """
    return _fit(points, [at_once for at_once in _AT_ONCE if at_once <= most_at_once] or [most_at_once], misfit)


def prediction_error(law: Scaling, points: Sequence[Point]) -> float | None:
    """How far a level of load is from a law of this kind that is fitted to the others; None with fewer than three.

    The root mean square, weighted by precision, without the lightest and the heaviest level: a law need not hold beyond
    what was measured. At a fixed concurrency an error of throughput is as large an error of latency (Little's law).
    """
    ordered = sorted(points, key=lambda point: point.in_system)
    errors, weights = [], []
    for left_out, point in enumerate(ordered[1:-1], start=1):
        if others := _fit([*ordered[:left_out], *ordered[left_out + 1 :]], [law.at_once]):
            errors.append(others[0].rps(point.present) / point.rps - 1)
            weights.append(_weight(point))
    return float(np.sqrt(np.average(np.square(errors), weights=weights))) if errors else None


def _fit(
    points: Sequence[Point], possible: Iterable[int], misfit: Callable[[Scaling], float] = _fits
) -> tuple[Scaling, ...]:
    if len({point.in_system for point in points}) < _FEWEST_POINTS:
        return ()
    measured = [_Measured.of(points, at_once) for at_once in possible]
    independent = min((server.law(0.0) for server in measured), key=lambda law: law.error)
    sharing = [law for server in measured for law in (server.best, *map(server.law, _CONTENTIONS.tolist()))]
    least = min(law.error for law in sharing)
    # Levels that no law explains better are known no better than that.
    known_to = max(least, float(measured[0].weights.mean()) ** -0.5)
    alike = (law for law in sharing if law.error <= least + _BETTER_BY)
    chosen = min(alike, key=lambda law: len(points) * (law.error / known_to) ** 2 + misfit(law))
    is_better = least < independent.error - _BETTER_BY or misfit(chosen) < misfit(independent) - _SPEAKS_AGAINST
    return (chosen, independent) if is_better else (independent, chosen)


@dataclass(frozen=True)
class _Measured:
    """The points as arrays, for a server of `at_once`: `present[i, n]` as in `Point`, with all that wait in the last.

    `weights` are one over the squared error to which each point is known.
    """

    at_once: int
    present: Floats
    rps: Floats
    weights: Floats

    @classmethod
    def of(cls, points: Sequence[Point], at_once: int) -> "_Measured":
        n = [np.minimum(np.arange(point.present.size), at_once) for point in points]
        present = [np.bincount(served, point.present, at_once + 1) for served, point in zip(n, points, strict=True)]
        return cls(
            at_once, np.array(present), np.array([point.rps for point in points]), np.array([*map(_weight, points)])
        )

    @property
    def best(self) -> Scaling:
        return self.law(float(minimize_scalar(lambda contention: self.law(contention).error, bounds=(0, 1)).x))

    def law(self, contention: float) -> Scaling:
        """The law with this contention, and the service time with the smallest error."""
        n = np.arange(self.at_once + 1.0)
        relative = self.present @ (n / _slower(n, contention)) / self.rps
        alone_s = float((self.weights * relative**2).sum() / (self.weights * relative).sum())
        error = float(np.sqrt(np.average((relative / alone_s - 1) ** 2, weights=self.weights)))
        return Scaling(self.at_once, alone_s * 1000, contention, error, len(self.rps))


def _slower(n: Floats, contention: float) -> Floats:
    """The time of one of n requests as a multiple of that of a request alone; of no request it does not matter."""
    return 1 + contention * np.maximum(n - 1, 0)


def _weight(point: Point) -> float:
    return 1 / (_LAW_ERROR**2 + 1 / point.requests)
