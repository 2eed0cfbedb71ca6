"""How exact our generator is, compared with wrk, a minimal open loop and Locust's own client.

It has five parts. `stall`: the latencies that each generator reports if the server pauses for 2 s in a minute. `rate`:
whether the open loop keeps its schedule. `ceiling`: the highest valid rate of one core. `capacity`: whether a capacity
search finds the known capacity. `balancing`: how evenly REST requests reach replicas. All parts use a null server with
a queue, whose log gives the true latencies; for an open loop they follow from the schedule (bench.servers.queueing).
All parts together take about twelve minutes.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analysis.results.schema.manifest import CapacityRps
from bench.figures import Figure, argument_parser, progress, report, start
from bench.generators import other_generators as others
from bench.generators import our_generator
from bench.generators.balancing import balancing
from bench.rate_search import highest_rate
from bench.servers.queue_server import QueueSettings, queue_server
from bench.servers.queueing import Queue, Stall, response_times_s
from bench.servers.simulated_server import ServerModel, true_capacity_rps
from stacks.load.load_profiles import CapacitySearch, ClosedLoop, OpenLoop

SMALLEST = ("rate",)
_BODY = our_generator.photograph_body("rest")
_QUANTILE_NAMES = ("p50", "p99", "p99.9", "max")

# The four workers are busy a quarter of the time, and work off the backlog of 2 s within 1 s.
_STALLING = QueueSettings(workers=4, service_s=0.02, stall_after_s=29.0, stall_s=2.0)
_STALL_RPS, _STALL_TEST_S = 50.0, 60

_RATE_RPS, _RATE_TEST_S = 300.0, 20.0

_CONNECTIONS, _CLOSED_S, _CEILING_PRECISION = 8, 6, 0.05
_MAX_IN_FLIGHT = 64

# Workers, service time with its coefficient of variation, and a latency limit well above it at a quantile.
_CAPACITIES = ((4, 0.05, 0.3, 0.9, 0.2), (2, 0.02, 0.5, 0.95, 0.1), (8, 0.1, 0.15, 0.9, 0.3))
_TRUTH_REQUESTS = 2_000_000


@dataclass(frozen=True)
class Latencies:
    """Latencies at QUANTILES in seconds, as a generator reports them and as they truly were.

    The true ones follow from the schedule; in a closed loop, the server's log has them.
    """

    name: str
    reported_s: Sequence[float]
    true_s: Sequence[float]

    def error_percent(self, quantile: int) -> float:
        return 100 * (self.reported_s[quantile] / self.true_s[quantile] - 1)


def main() -> None:
    parts: dict[str, Callable[[], list[Figure]]] = {
        "stall": _stall, "rate": _rate, "ceiling": _ceiling, "capacity": _capacity,
        "balancing": lambda: balancing(_BODY),
    }  # fmt: skip
    parser = argument_parser("generator", __doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(parts)}; all if none is given")
    chosen = start(parser, ["locust", "gevent", "geventhttpclient"]).parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; give some of {', '.join(parts)}, or none")
    if not shutil.which("wrk"):
        print("wrk is not on PATH, so its figures are missing; install it (Debian: apt-get install wrk)")
    figures = []
    for name in chosen:
        progress(f"{name} ...")
        figures += parts[name]()
    report("generator", figures)


def _stall() -> list[Figure]:
    true_s = _true_latencies_s(0.0, [Stall(_STALLING.stall_after_s, _STALLING.stall_s)])
    # Two generators at a time, each with its own server: each leaves both cores idle nearly all of its minute.
    with ThreadPoolExecutor(2) as pool:
        tests = [pool.submit(test) for test in (_wrk, _our_open_loop, _reference_open_loop, _our_closed_loop)]
    wrk, ours, reference, closed_loop = (test.result() for test in tests)
    assert ours
    every = [latencies for latencies in (ours, reference, closed_loop, wrk) if latencies]
    figures = []
    for at in (1, 3):
        quantile = _QUANTILE_NAMES[at]
        figures.append(Figure(f"stall: {quantile}, true latency of the schedule", 1e3 * true_s[at], "ms"))
        figures += [Figure(f"stall: {quantile}, {each.name}", 1e3 * each.reported_s[at], "ms") for each in every]
        error_percent = abs(ours.error_percent(at))
        figures.append(Figure(f"stall: {quantile} of our open loop, error", error_percent, "%", "<= 3"))
    for each in every:
        for at, quantile in enumerate(_QUANTILE_NAMES[:-1]):
            error_ms = 1e3 * (each.reported_s[at] - each.true_s[at])
            figures.append(Figure(f"error: {quantile}, {each.name}", error_ms, "ms"))
            figures.append(Figure(f"error: {quantile}, {each.name}, relative", each.error_percent(at), "%"))
    return figures


def _true_latencies_s(began_s: float, stalls: Sequence[Stall]) -> tuple[float, ...]:
    """The latencies at QUANTILES that follow from the schedule of the open loops."""
    intended_start_s = began_s + np.arange(_STALL_RPS * _STALL_TEST_S) / _STALL_RPS
    queue = Queue(_STALLING.workers, _STALLING.service_s, stalls)
    return others.at_quantiles(response_times_s(intended_start_s.tolist(), queue))


def _our_open_loop() -> Latencies:
    profile = OpenLoop(
        rate_rps=_STALL_RPS, arrivals="constant", seed=1, max_in_flight=256, warmup_s=0, ramp_s=0,
        duration_s=_STALL_TEST_S,
    )  # fmt: skip
    with queue_server(_STALLING) as server:
        run = our_generator.run("our open loop", profile, server.url, _BODY)
    true_s = _true_latencies_s(run.intended_start_s[0], server.stalls)
    return Latencies("our open loop", others.at_quantiles(run.response_times_s), true_s)


def _reference_open_loop() -> Latencies:
    with queue_server(_STALLING) as server:
        run = others.reference_open_loop(server.port, _BODY, _STALL_RPS, _STALL_TEST_S)
    return Latencies("reference open loop", run.latency_s, _true_latencies_s(run.began_s, server.stalls))


def _our_closed_loop() -> Latencies:
    """Two users who pause for as long as an answer takes: also 50 requests per second."""
    profile = ClosedLoop(users=2, spawn_rate_per_s=2, wait_s=0.02, warmup_s=0, duration_s=1 + _STALL_TEST_S)
    with queue_server(_STALLING) as server:
        run = our_generator.run("our closed loop", profile, server.url, _BODY)
    true_s = others.at_quantiles(server.took_s)
    return Latencies("our closed loop", others.at_quantiles(run.response_times_s), true_s)


def _wrk() -> Latencies | None:
    """One connection without a pause: also 50 requests per second.

    wrk 4 corrects for coordinated omission: it adds the requests that a connection would have sent during a stall.
    """
    with queue_server(_STALLING) as server:
        run = others.wrk(server.port, _BODY, connections=1, seconds=_STALL_TEST_S)
    return None if run is None else Latencies("wrk, closed loop", run.latency_s, others.at_quantiles(server.took_s))


def _rate() -> list[Figure]:
    profile = _open_at(_RATE_RPS, _RATE_TEST_S)
    with queue_server(QueueSettings()) as server:
        run = our_generator.run("300 requests a second", profile, server.url, _BODY)
    achieved_rps = (len(run.sent_s) - 1) / float(np.ptp(run.sent_s))
    delays_s = run.sent_s - run.intended_start_s
    return [
        Figure("rate: achieved at 300 requests a second", achieved_rps, "1/s"),
        Figure("rate: deviation from the intended rate", abs(100 * (achieved_rps / _RATE_RPS - 1)), "%", "<= 0.5"),
        Figure("rate: median schedule delay", 1e3 * float(np.median(delays_s)), "ms", "<= 2"),
        Figure("rate: p99 of the schedule delay", 1e3 * float(np.quantile(delays_s, 0.99)), "ms"),
        Figure("rate: the generator's CPU", 100 * _RATE_RPS / (run.rps_per_core or np.nan), "% of a core"),
    ]


def _open_at(rate_rps: float, hold_s: float) -> OpenLoop:
    return OpenLoop(
        rate_rps=rate_rps, arrivals="constant", seed=1, max_in_flight=_MAX_IN_FLIGHT, warmup_s=2, ramp_s=1,
        duration_s=1 + hold_s,
    )  # fmt: skip


def _ceiling() -> list[Figure]:
    rps_per_core: dict[float, float] = {}

    def is_valid(rate_rps: float) -> bool:
        with queue_server(QueueSettings()) as server:
            run = our_generator.run(f"{rate_rps:.0f} requests a second", _open_at(rate_rps, 11.0), server.url, _BODY)
        if run.valid and run.rps_per_core:
            rps_per_core[rate_rps] = run.rps_per_core
        return rate_rps in rps_per_core

    closed = [_closed_at_full_speed()]
    ours_rps = highest_rate(closed[0]["FastHttpUser"].rps, is_valid, _CEILING_PRECISION)
    closed.append(_closed_at_full_speed())
    paced_rps = ours_rps or _RATE_RPS
    with queue_server(QueueSettings()) as server:
        paced = others.fast_http_user(server.port, _BODY, _MAX_IN_FLIGHT, _CLOSED_S, paced_rps)
        reference = others.reference_open_loop(server.port, _BODY, _RATE_RPS, _CLOSED_S)
    figures = [Figure("ceiling: our highest valid rate", ours_rps or 0.0, "1/s")]
    for name in closed[0]:
        best_rps = max(turn[name].rps for turn in closed)
        figures.append(Figure(f"ceiling: {name}, closed loop at full speed", best_rps, "1/s"))
    ours_per_core = rps_per_core[ours_rps] if ours_rps else 0.0
    per_core = {name: statistics.mean(turn[name].rps_per_core for turn in closed) for name in closed[0]}
    figures.append(Figure("ceiling: ours at that rate, per CPU second", ours_per_core, "requests"))
    figures += [Figure(f"ceiling: {name}, per CPU second", value, "requests") for name, value in per_core.items()]
    at_full_speed, at_our_rate = ours_per_core / per_core["FastHttpUser"], ours_per_core / paced.rps_per_core
    return [
        *figures,
        Figure("ceiling: FastHttpUser paced at our rate, achieved", paced.rps, "1/s"),
        Figure("ceiling: FastHttpUser paced at our rate, per CPU second", paced.rps_per_core, "requests"),
        Figure("ceiling: reference at 300/s, per CPU second", reference.rps_per_core, "requests"),
        Figure("ceiling: ours against FastHttpUser at full speed, per core", at_full_speed, "×", ">= 1"),
        Figure("ceiling: ours against FastHttpUser at our rate, per core", at_our_rate, "×", ">= 1"),
    ]


def _closed_at_full_speed() -> dict[str, others.GeneratorRun]:
    with queue_server(QueueSettings()) as server:
        runs = {"FastHttpUser": others.fast_http_user(server.port, _BODY, _CONNECTIONS, _CLOSED_S)}
        if wrk := others.wrk(server.port, _BODY, _CONNECTIONS, _CLOSED_S):
            runs["wrk"] = wrk
    return runs


def _capacity() -> list[Figure]:
    figures = []
    for workers, service_s, service_cv, quantile, objective_s in _CAPACITIES:
        profile = CapacitySearch(
            quantile=quantile, latency_ms=1e3 * objective_s, error_ratio=0.001, lowest_rps=1, highest_rps=1000,
            precision=0.02, max_in_flight=256, warmup_s=10, duration_s=300,
        )  # fmt: skip
        name = f"capacity: {workers} workers, {1e3 * service_s:.0f} ms, CV {service_cv:g}, p{100 * quantile:g}"
        began_s = time.perf_counter()
        with queue_server(QueueSettings(workers, service_s, service_cv=service_cv)) as server:
            run = our_generator.run(name, profile, server.url, _BODY)
        took_s = time.perf_counter() - began_s
        model = ServerModel(1, workers, service_s, service_cv)
        true_rps = true_capacity_rps(model, quantile, objective_s, _TRUTH_REQUESTS)
        rps = run.capacity.rps if run.capacity else CapacityRps(value=None, low=np.nan, high=np.nan)
        value_rps = np.nan if rps.value is None else rps.value
        figures += [
            Figure(f"{name}: true", true_rps, "1/s"),
            Figure(f"{name}: found", value_rps, "1/s"),
            Figure(f"{name}: low end", rps.low, "1/s"),
            Figure(f"{name}: high end", rps.high, "1/s"),
            Figure(f"{name}: error", abs(100 * (value_rps / true_rps - 1)), "%", "<= 3"),
            Figure(f"{name}: took", took_s, "s", "<= 330"),
        ]
    return figures


if __name__ == "__main__":
    main()
