"""The fleets that plans are graded on: with ten the margin of a plan was set, with ten others nothing."""

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


SET_WITH = (
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

INDEPENDENT = (
    Regime("REST 200, one worker, gamma", Server(1, gamma(40, 0.4)), 2, Clients("rest", 200), 1_100, 300),
    Regime("REST 50, three workers", Server(3, lognormal(75, 0.3)), 4, Clients("rest", 50), 1_300, 350),
    Regime("REST 500, eight workers, pauses", Server(8, pauses(110, 0.03, 3)), 2, Clients("rest", 500), 3_000, 600),
    Regime("REST 100, two workers, wide", Server(2, lognormal(120, 0.9)), 2, Clients("rest", 100), 600, 1_500),
    Regime("REST 50, sixteen workers", Server(16, lognormal(150, 0.4)), 2, Clients("rest", 50), 2_500, 500),
    Regime("gRPC 50, one worker, even", Server(1, steady(35)), 2, Clients("grpc", 50), 800, 150),
    Regime("gRPC 500, one worker, wide", Server(1, lognormal(30, 0.8)), 4, Clients("grpc", 500), 900, 300),
    Regime("gRPC 200, shared cores", Server(2, gamma(70, 0.3), sharing=0.25), 4, Clients("grpc", 200), 1_200, 400),
    Regime("gRPC 50, six workers", Server(6, gamma(65, 0.2)), 2, Clients("grpc", 50), 5_000, 200),
    Regime("gRPC 500, shared cores, even", Server(4, steady(90), sharing=0.15), 2, Clients("grpc", 500), 1_600, 350),
)
