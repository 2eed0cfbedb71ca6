"""How REST requests of an open loop spread over replicas: on connections that are kept, and on one for each request.

The generator sends to several queues behind one port, which gives each connection to one of them at random, as
kube-proxy does. What the spread does to the capacity is simulated, for several draws of the replicas.
"""

from statistics import median

import numpy as np
import pyarrow.compute as pc

from analysis.planning.replica_model.service import Service
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet, OpenLoop, simulate
from bench.figures import Figure
from bench.generators import our_generator
from bench.servers.queue_server import QueueSettings, queue_server
from loadtest.generator.phases import HOLD
from stacks.load import load_profiles

_SERVICE_S, _SERVICE_CV, _BUSY = 0.08, 0.3, 0.6
_HOLD_S = 40.0
_QUANTILE, _LATENCY_S = 0.99, 0.5
_REPLICAS, _DRAWS = (4, 8), range(1, 9)
_SIMULATED_REQUESTS, _BISECTIONS = 10_000, 7


def balancing(body: bytes) -> list[Figure]:
    return [*_sent(body, 8), *(figure for replicas in _REPLICAS for figure in _simulated(replicas))]


def _sent(body: bytes, replicas: int) -> list[Figure]:
    """By the shipped generator, before (a plan that knows of one replica) and now."""
    load = load_profiles.OpenLoop(
        rate_rps=_BUSY * replicas / _SERVICE_S, arrivals="poisson", seed=1, max_in_flight=256, warmup_s=0, ramp_s=1,
        duration_s=_HOLD_S + 1,
    )  # fmt: skip
    figures = []
    for name, known in (("kept connections", 1), ("a connection each", replicas)):
        settings = QueueSettings(1, _SERVICE_S, service_cv=_SERVICE_CV, replicas=replicas)
        with queue_server(settings) as server:
            rows = our_generator.load_test(name, load, server.url, body, replicas=known).rows
        held = rows.filter(pc.equal(rows["phase"], HOLD))
        p99_ms = float(np.quantile(held["latency_us"].to_numpy(), _QUANTILE)) / 1e3
        label = f"balancing: {replicas} replicas, {name}"
        most = max(server.answered) * replicas / sum(server.answered)
        figures += [Figure(f"{label}: busiest, of an even share", most, "×"), Figure(f"{label}: p99", p99_ms, "ms")]
    return figures


def _simulated(replicas: int) -> list[Figure]:
    """The capacity as a share of the limit, for each draw of the connections' replicas."""
    rng = np.random.default_rng(1)
    spread = rng.lognormal(0, _SERVICE_CV, 1000)
    service = Service(1e3 * _SERVICE_S, spread / spread.mean(), (1.0,))
    figures = []
    for name, balancer in (("kept connections", Balancer("connections", 1)), ("a connection each", Balancer("random"))):
        fleet = Fleet(replicas, service, balancer)
        shares = [_capacity_rps(fleet, draw) / fleet.limit_rps for draw in _DRAWS]
        label = f"balancing: {replicas} replicas, {name}: simulated capacity"
        figures += [
            Figure(f"{label}, lowest", 100 * min(shares), "% of limit"),
            Figure(f"{label}, median", 100 * median(shares), "% of limit"),
            Figure(f"{label}, highest", 100 * max(shares), "% of limit"),
        ]
    return figures


def _capacity_rps(fleet: Fleet, draw: int) -> float:
    low_rps, high_rps = 0.0, fleet.limit_rps
    for _ in range(_BISECTIONS):
        middle_rps = (low_rps + high_rps) / 2
        steady = simulate(fleet, OpenLoop(middle_rps, _SIMULATED_REQUESTS / middle_rps), draw).steady
        kept = float(np.mean(steady.latency_s > _LATENCY_S)) <= 1 - _QUANTILE
        low_rps, high_rps = (middle_rps, high_rps) if kept else (low_rps, middle_rps)
    return low_rps
