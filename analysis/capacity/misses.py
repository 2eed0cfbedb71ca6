"""How requests fared at each rate that a run offered: the share that missed the objective, and quantiles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.capacity.requests import OfferedRate, latency_limit_s
from analysis.objective import Objective


@dataclass(frozen=True)
class AtRate:
    """One step of a capacity search. Latencies are infinite where so many requests had no good answer.

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


def by_rate(offered: Iterable[OfferedRate], objective: Objective) -> tuple[AtRate, ...]:
    """Each step of a search with a request, from the lowest rate to the highest.

    Of the requests that count for the capacity: not those that were due while the queue was still filling.
    """
    settled = [each.settled(latency_limit_s(objective)) for each in offered]
    return tuple(
        _at_rate(each, objective) for each in sorted(settled, key=lambda each: each.rate_rps) if each.offsets_s.size
    )


def _at_rate(offered: OfferedRate, objective: Objective) -> AtRate:
    # The smallest latency that the share of requests has; between a latency and infinity there is none.
    p50_s, at_quantile_s = _quantiles(offered, (0.5, objective.quantile))
    missed = int(offered.missed(objective).sum())
    return AtRate(offered.rate_rps, offered.poisson, offered.offsets_s.size, missed, p50_s * 1000, at_quantile_s * 1000)


def _quantiles(offered: OfferedRate, quantiles: Sequence[float]) -> list[float]:
    found: list[float] = np.quantile(offered.response_s, quantiles, method="inverted_cdf").tolist()
    return found
