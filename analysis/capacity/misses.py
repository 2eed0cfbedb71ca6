"""How the requests of each offered rate fared at an objective: which missed it, and how surely the rate does."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.capacity.bursts import (
    FEW_BLOCKS,
    FEWEST_BLOCKS,
    chance_of_failures,
    chance_of_so_few,
    chance_of_so_many,
    queue_dispersion,
)
from analysis.capacity.requests import OfferedRate
from analysis.objective import Objective
from analysis.results.run.columns import Booleans


@dataclass(frozen=True, eq=False)
class JudgedRate:
    """A rate at an objective: all that was `offered`, and what counts: not what was due while the queue was filling.

    `missed` is of the requests that count: whether each was late or failed.
    """

    offered: OfferedRate
    counted: OfferedRate
    objective: Objective
    missed: Booleans

    @property
    def rate_rps(self) -> float:
        return self.offered.rate_rps

    @property
    def poisson(self) -> bool:
        return self.offered.poisson

    @property
    def failed(self) -> Booleans:
        return self.counted.failed

    @cached_property
    def is_overload(self) -> bool:
        return self.offered.is_overload(latency_limit_s(self.objective))

    @cached_property
    def misses_error(self) -> float:
        """The probability that a rate that meets the objective would look as this one; 0 where it is overload."""
        if self.is_overload:
            return 0.0
        late, requests = self._independent(FEWEST_BLOCKS)
        too_many = chance_of_so_many(late, requests, 1 - self.objective.quantile)
        return min(too_many, chance_of_failures(self.failed, self.objective.errors))

    @cached_property
    def meets_error(self) -> float:
        """The probability that a rate that misses the objective would look as this one.

        1 where arrivals were even, which flatter a server, and where more failed than the objective allows.
        """
        if not self.poisson or self.failed.sum() > self.objective.errors * self.missed.size:
            return 1.0
        return chance_of_so_few(*self._independent(FEW_BLOCKS), 1 - self.objective.quantile)

    def _independent(self, fewest_blocks: int) -> tuple[float, float]:
        """How many independent misses, and requests, say as much as those of this rate."""
        worth = queue_dispersion(self.counted.response_s, self.missed, fewest_blocks)
        return float(self.missed.sum()) / worth, self.missed.size / worth


@dataclass(frozen=True)
class AtRate:
    """The figures of one rate at an objective. Latencies are infinite where so many requests had no good answer.

    `at_quantile_ms` is that of the objective's quantile.
    """

    rate_rps: float
    poisson: bool
    requests: int
    missed: int
    p50_ms: float
    at_quantile_ms: float

    @property
    def missed_share(self) -> float:
        return self.missed / self.requests


def judged(offered: Iterable[OfferedRate], objective: Objective) -> list[JudgedRate]:
    """Each rate with a request that counts, from the lowest to the highest."""
    latency_s = latency_limit_s(objective)
    settled = [(rate, rate.settled(latency_s)) for rate in sorted(offered, key=lambda rate: rate.rate_rps)]
    return [
        JudgedRate(rate, counted, objective, np.asarray((counted.response_s > latency_s) | counted.failed))
        for rate, counted in settled
        if counted.response_s.size
    ]


def by_rate(offered: Iterable[OfferedRate], objective: Objective) -> tuple[AtRate, ...]:
    """The figures of each rate with a request that counts, from the lowest to the highest."""
    return tuple(_figures(rate) for rate in judged(offered, objective))


def latency_limit_s(objective: Objective) -> float:
    """The latency limit in seconds, infinite where there is none."""
    return math.inf if objective.latency_ms is None else objective.latency_ms / 1e3


def _figures(rate: JudgedRate) -> AtRate:
    # The smallest latency that the share of requests has; between a latency and infinity there is none.
    quantiles = (0.5, rate.objective.quantile)
    p50_s, at_quantile_s = np.quantile(rate.counted.response_s, quantiles, method="inverted_cdf").tolist()
    missed = int(rate.missed.sum())
    return AtRate(rate.rate_rps, rate.poisson, rate.missed.size, missed, p50_s * 1000, at_quantile_s * 1000)
