"""The fleets that plans are graded on. Nothing is tuned on this file: only `bench.plan` reads it."""

from dataclasses import dataclass

from bench.fleets.truth import Clients, Server, gamma, lognormal, pauses, steady


@dataclass(frozen=True)
class Regime:
    """A server, the nodes that its capacity is measured with, and what is planned for: `rps` from `clients`."""

    name: str
    server: Server
    measured_nodes: int
    clients: Clients
    rps: float
    latency_ms: float


REGIMES = (
    Regime("REST 50, one worker", Server(1, lognormal(55, 0.2)), 2, Clients("rest", 50), 700, 350),
    Regime("REST 500, one worker, even", Server(1, steady(70)), 4, Clients("rest", 500), 900, 400),
    Regime("REST 50, two workers", Server(2, gamma(90, 0.35)), 4, Clients("rest", 50), 1_500, 400),
    Regime("REST 500, four workers, wide", Server(4, lognormal(100, 0.6)), 2, Clients("rest", 500), 2_000, 700),
    Regime("REST 500, shared cores", Server(4, lognormal(60, 0.25), sharing=0.2), 2, Clients("rest", 500), 1_200, 450),
    Regime("gRPC 50, one worker", Server(1, gamma(50, 0.25)), 4, Clients("grpc", 50), 1_000, 250),
    Regime("gRPC 500, two workers, pauses", Server(2, pauses(60, 0.04, 4)), 2, Clients("grpc", 500), 2_000, 400),
    Regime("gRPC 50, four workers, wide", Server(4, lognormal(80, 0.7)), 2, Clients("grpc", 50), 3_000, 500),
    Regime("gRPC 500, eight workers", Server(8, gamma(120, 0.5)), 2, Clients("grpc", 500), 4_000, 450),
    Regime("gRPC 50, shared cores", Server(3, lognormal(45, 0.3), sharing=0.3), 4, Clients("grpc", 50), 1_500, 300),
)
