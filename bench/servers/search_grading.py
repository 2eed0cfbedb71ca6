"""The servers and objectives that `make bench-search` grades capacity searches with: nothing is tuned with them.

Service times of 50 ms on the same six workers in two shapes, balanced at random; limits are well above the service
time, since no rate meets one that the service alone misses. One has the heaviest tail, two have the round-robin of each
client that gRPC has, and two refuse requests when their queues are full, so that failed requests limit the rate.
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


_SERVICE_S = 0.05
_SHAPES = ((1, 6), (6, 1))
_LATENCY_S = {0.3: 0.3, 0.8: 0.45}


def _regime(server: ServerModel, quantile: float, latency_s: float) -> SearchRegime:
    clients = "" if server.clients is None else f", {server.clients} clients"
    queue = "" if server.queue is None else f", queue of {server.queue}"
    shape = f"{server.replicas} × {server.workers}{clients}{queue}"
    name = f"CV {server.service_cv:g}, {shape}, p{100 * quantile:g} ≤ {1e3 * latency_s:g} ms"
    return SearchRegime(name, server, quantile, latency_s)


REGIMES: tuple[SearchRegime, ...] = (
    *(
        _regime(ServerModel(replicas, workers, _SERVICE_S, service_cv), quantile, latency_s)
        for service_cv, latency_s in _LATENCY_S.items()
        for replicas, workers in _SHAPES
        for quantile in (0.9, 0.99)
    ),
    _regime(ServerModel(6, 1, _SERVICE_S, 1.2), 0.99, 0.6),
    _regime(ServerModel(6, 1, _SERVICE_S, 0.3, clients=30), 0.99, 0.3),
    _regime(ServerModel(3, 2, _SERVICE_S, 0.8, clients=8), 0.99, 0.45),
    _regime(ServerModel(1, 6, _SERVICE_S, 0.3, queue=6), 0.9, 0.3),
    _regime(ServerModel(6, 1, _SERVICE_S, 0.3, queue=6), 0.99, 0.3),
)

# A server of about 50 requests per second, to time searches with.
TIMED: tuple[SearchRegime, ...] = tuple(
    SearchRegime(f"50 requests/s, p{100 * quantile:g}", ServerModel(1, 5, 0.08, 0.3), quantile, 0.35)
    for quantile in (0.9, 0.99)
)
