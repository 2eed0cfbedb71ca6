"""The servers and objectives that `make bench-search` grades capacity searches with: nothing is tuned with them.

Service times of 80 ms with three coefficients of variation, on the same eight workers in three shapes, balanced at
random; limits are well above the service time, since no rate meets one that the service alone misses. Two more are the
slow queues that the first search could not measure.
"""

from dataclasses import dataclass

from analysis.objective import Objective
from bench.servers.simulated_server import ServerModel
from loadtest.generator.plan import CapacitySearchPlan


@dataclass(frozen=True)
class SearchRegime:
    name: str
    model: ServerModel
    quantile: float
    latency_s: float

    @property
    def objective(self) -> Objective:
        return Objective(quantile=self.quantile, latency_ms=1e3 * self.latency_s, errors=0.001)

    def plan(self, seed: int) -> CapacitySearchPlan:
        """The profile `capacity` with this objective."""
        return CapacitySearchPlan(
            mode="capacity", quantile=self.quantile, latency_ms=1e3 * self.latency_s, error_ratio=0.001, lowest_rps=0.5,
            highest_rps=2000, precision=0.1, seed=seed, max_in_flight=1024, warmup_s=20, duration_s=300,
        )  # fmt: skip


_SHAPES = ((1, 8), (2, 4), (8, 1))
_LATENCY_S = {0.15: 0.3, 0.5: 0.3, 1.0: 0.6}

REGIMES: tuple[SearchRegime, ...] = (
    *(
        SearchRegime(
            f"CV {service_cv:g}, {replicas} × {workers}, p{100 * quantile:g} ≤ {1e3 * latency_s:g} ms",
            ServerModel(replicas, workers, 0.08, service_cv),
            quantile,
            latency_s,
        )
        for service_cv, latency_s in _LATENCY_S.items()
        for replicas, workers in _SHAPES
        for quantile in (0.9, 0.99)
    ),
    SearchRegime("CV 0.15, 1 × 2 of 90 ms, p90 ≤ 2 s", ServerModel(1, 2, 0.09, 0.15), 0.9, 2.0),
    SearchRegime("CV 0.3, 1 × 2 of 90 ms, p99 ≤ 2 s", ServerModel(1, 2, 0.09, 0.3), 0.99, 2.0),
)

# A server of about 50 requests per second, to time searches with.
TIMED: tuple[SearchRegime, ...] = tuple(
    SearchRegime(f"50 requests/s, p{100 * quantile:g}", ServerModel(1, 5, 0.08, 0.3), quantile, 0.35)
    for quantile in (0.9, 0.99)
)
