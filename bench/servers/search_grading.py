"""The servers and objectives that `make bench-search` grades capacity searches with: nothing is tuned with them.

Service times of 50 ms on the same six workers in two shapes, balanced at random; limits are well above the service
time, since no rate meets one that the service alone misses. One has the heaviest tail, two have the round-robin of each
client that gRPC has, and two refuse requests when their queues are full, so that failed requests limit the rate.
`INDEPENDENT` has ten other servers, each for several quantiles: wide and narrow shapes, mixtures of fast and slow
requests, batches, full queues, pauses. `INCAPABLE` ones answer so many requests late at any rate that none meets the
objective.
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
    kinds = {"slow": server.slow_share, "batches": server.batch > 1, "pauses": server.pause_s}
    kind = "".join(f", {word}" for word, has in kinds.items() if has)
    late = f", {server.late_share:.1%} late" if server.late_share else ""
    name = f"CV {server.service_cv:g}, {shape}{kind}{late}, p{100 * quantile:g} ≤ {1e3 * latency_s:g} ms"
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

_SERVERS = (
    (ServerModel(1, 10, 0.1, 0.4), 0.4),
    (ServerModel(2, 3, 0.07, 0.5), 0.45),
    (ServerModel(5, 1, 0.06, 0.7), 0.6),
    (ServerModel(3, 2, 0.09, 0.25), 0.4),
    (ServerModel(1, 4, 0.06, 1.4), 0.8),
    (ServerModel(4, 2, 0.05, 0.1, slow_share=0.08, slow_factor=5), 0.5),
    (ServerModel(1, 1, 0.2, 0.15, batch=6), 0.7),
    (ServerModel(1, 6, 0.08, 0.4, queue=9), 0.4),
    (ServerModel(3, 1, 0.05, 0.3, pause_s=0.1, pause_every_s=3), 0.45),
    (ServerModel(1, 2, 0.04, 0.2), 0.25),
)
# The servers whose searches reach a p99.9, whose limit is so much longer.
_RARE, _LONGER = (0, 1, 2, 6), 1.3

INDEPENDENT: tuple[SearchRegime, ...] = (
    *(_regime(server, quantile, latency_s) for quantile in (0.9, 0.95, 0.99) for server, latency_s in _SERVERS),
    *(_regime(_SERVERS[number][0], 0.999, _LONGER * _SERVERS[number][1]) for number in _RARE),
)

INCAPABLE: tuple[SearchRegime, ...] = tuple(
    _regime(ServerModel(replicas, workers, 0.06, 0.4, late_share=late_share), quantile, 0.4)
    for replicas, workers, late_share, quantile in (
        (1, 5, 0.013, 0.99),
        (3, 2, 0.02, 0.99),
        (1, 5, 0.05, 0.99),
        (4, 1, 0.12, 0.95),
        (1, 8, 0.12, 0.9),
    )
)

# A server of about 50 requests per second, to time searches with.
TIMED: tuple[SearchRegime, ...] = tuple(
    SearchRegime(f"50 requests/s, p{100 * quantile:g}", ServerModel(1, 5, 0.08, 0.3), quantile, 0.35)
    for quantile in (0.9, 0.99)
)
