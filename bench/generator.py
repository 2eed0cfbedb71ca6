"""How far the generator can be trusted: beside wrk, a plain open loop and Locust's own client, on one null server.

Four parts, all of them or those named on the command line: `stall` (a pause of 2 s in a minute, as each sees it),
`rate` (is the schedule kept), `ceiling` (the highest valid rate of one core), `capacity` (is a search's answer true).
The truth is what the null server says of itself and, for an open loop, what its schedule comes to:
bench.servers.queueing.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.ceiling import highest
from bench.figures import Figure, describe_machine, report
from bench.generators import other_generators as others
from bench.generators import our_generator
from bench.servers.queue_server import Serving, Told, running
from bench.servers.queueing import Queue, Stall, responses_s
from loadtest.run.payload import rest_body
from stacks.load_profiles import CapacitySearch, ClosedLoop, OpenLoop

_BODY = rest_body()
_QUANTILE_NAMES = ("p50", "p99", "p99.9", "max")

# Four workers are busy for a quarter of the time, and 2 s without any are caught up within one.
_STALLING = Serving(workers=4, service_s=0.02, stall_after_s=29.0, stall_s=2.0)
_STALL_RPS, _STALL_TEST_S = 50.0, 60

_REAL_RPS, _REAL_S = 300.0, 20.0

_CONNECTIONS, _CLOSED_S, _CEILING_PRECISION = 8, 6, 0.05
_MAX_IN_FLIGHT = 64

# Workers, service time, and an objective well above it.
_CAPACITIES = ((4, 0.05, 0.5), (2, 0.02, 0.2), (8, 0.1, 0.5))


@dataclass(frozen=True)
class Seen:
    """What a generator says at QUANTILES, beside the truth, in seconds.

    The truth is what its schedule comes to; in a closed loop, what the server says of the requests that came.
    """

    name: str
    says_s: Sequence[float]
    truth_s: Sequence[float]

    def error_percent(self, quantile: int) -> float:
        """How far off it is, of the truth."""
        return 100 * (self.says_s[quantile] / self.truth_s[quantile] - 1)


def main() -> None:
    """Measure and report; the whole takes about ten minutes."""
    print(describe_machine(["locust", "gevent", "geventhttpclient"]))
    if not shutil.which("wrk"):
        print("wrk is not on PATH, so its figures are missing; install it (Debian: apt-get install wrk)")
    parts: dict[str, Callable[[], list[Figure]]] = {
        "stall": _stall, "rate": _rate, "ceiling": _ceiling, "capacity": _capacity
    }  # fmt: skip
    chosen = sys.argv[1:] or list(parts)
    if unknown := set(chosen) - set(parts):
        raise SystemExit(f"there is no part {', '.join(sorted(unknown))}; give some of {', '.join(parts)}, or none")
    figures = []
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures += parts[name]()
    report("generator", figures)


def _stall() -> list[Figure]:
    truth_s = others.at_quantiles(_truth_s(np.arange(_STALL_RPS * _STALL_TEST_S) / _STALL_RPS, _programmed()))
    # Two at a time, each with a server of its own: either leaves both cores idle for nearly all of its minute.
    with ThreadPoolExecutor(2) as pool:
        in_c, open_loops = pool.submit(_wrk), [pool.submit(_our_open_loop), pool.submit(_reference)]
        closed_loop = pool.submit(_our_closed_loop)
    ours, reference = (each.result() for each in open_loops)
    every = [seen for seen in (ours, reference, closed_loop.result(), in_c.result()) if seen]
    figures = []
    for at in (1, 3):
        what = _QUANTILE_NAMES[at]
        figures.append(Figure(f"stall: {what}, truth of the schedule", 1e3 * truth_s[at], "ms"))
        figures += [Figure(f"stall: {what}, {seen.name}", 1e3 * seen.says_s[at], "ms") for seen in every]
        off = abs(ours.error_percent(at))
        figures.append(Figure(f"stall: {what} of our open loop, off the truth", off, "%", "<= 3"))
    for seen in every:
        for at, what in enumerate(_QUANTILE_NAMES[:-1]):
            off_ms = 1e3 * (seen.says_s[at] - seen.truth_s[at])
            figures.append(Figure(f"error: {what}, {seen.name}", off_ms, "ms"))
            figures.append(Figure(f"error: {what}, {seen.name}, relative", seen.error_percent(at), "%"))
    return figures


def _programmed() -> list[Stall]:
    return [Stall(_STALLING.stall_after_s, _STALLING.stall_s)]


def _truth_s(due_s: npt.NDArray[np.float64], stalls: Sequence[Stall]) -> list[float]:
    return responses_s(due_s.tolist(), Queue(_STALLING.workers, _STALLING.service_s, stalls))


def _scheduled(first_s: float) -> npt.NDArray[np.float64]:
    """The schedule as it was asked for, from when its first request was due."""
    return first_s + np.arange(_STALL_RPS * _STALL_TEST_S) / _STALL_RPS


def _our_open_loop() -> Seen:
    profile = OpenLoop(
        rate_rps=_STALL_RPS, arrivals="constant", seed=1, max_in_flight=256, warmup_s=0, ramp_s=0,
        duration_s=_STALL_TEST_S,
    )  # fmt: skip
    with running(_STALLING) as server:
        ran = our_generator.run(profile, server.url, _BODY)
    _print_reasons("our open loop", ran.reasons)
    truth_s = _truth_s(_scheduled(ran.due_s[0]), _told(server.told).stalls)
    return Seen("our open loop", others.at_quantiles(ran.responses_s), others.at_quantiles(truth_s))


def _reference() -> Seen:
    with running(_STALLING) as server:
        ran = others.reference(server.port, _BODY, _STALL_RPS, _STALL_TEST_S)
    truth_s = _truth_s(_scheduled(ran.first_due_s), _told(server.told).stalls)
    return Seen("reference open loop", ran.latency_s, others.at_quantiles(truth_s))


def _our_closed_loop() -> Seen:
    """Two users who pause for as long as an answer takes: 50 requests a second as well."""
    profile = ClosedLoop(users=2, spawn_rate_per_s=2, wait_s=0.02, warmup_s=0, duration_s=1 + _STALL_TEST_S)
    with running(_STALLING) as server:
        ran = our_generator.run(profile, server.url, _BODY)
    _print_reasons("our closed loop", ran.reasons)
    return Seen("our closed loop", others.at_quantiles(ran.responses_s), others.at_quantiles(_told(server.told).took_s))


def _wrk() -> Seen | None:
    """One connection without a pause: 50 requests a second as well.

    wrk 4 adds to what it measured the requests that each connection would have sent during a stall, had it gone on.
    """
    with running(_STALLING) as server:
        ran = others.wrk(server.port, _BODY, connections=1, seconds=_STALL_TEST_S)
    if ran is None:
        return None
    return Seen("wrk, closed loop", ran.latency_s, others.at_quantiles(_told(server.told).took_s))


def _rate() -> list[Figure]:
    profile = _open_at(_REAL_RPS, _REAL_S)
    with running(Serving()) as server:
        ran = our_generator.run(profile, server.url, _BODY)
    _print_reasons("300 requests a second", ran.reasons)
    achieved_rps = (len(ran.sent_s) - 1) / float(np.ptp(ran.sent_s))
    return [
        Figure("rate: achieved at 300 requests a second", achieved_rps, "1/s"),
        Figure("rate: off the intended one", abs(100 * (achieved_rps / _REAL_RPS - 1)), "%", "<= 0.5"),
        Figure("rate: median schedule delay", 1e3 * float(np.median(ran.delays_s)), "ms", "<= 2"),
        Figure("rate: p99 of the schedule delay", 1e3 * float(np.quantile(ran.delays_s, 0.99)), "ms"),
        Figure("rate: the generator's CPU", 100 * _REAL_RPS / (ran.rps_per_core or np.nan), "% of a core"),
    ]


def _open_at(rate_rps: float, hold_s: float) -> OpenLoop:
    return OpenLoop(
        rate_rps=rate_rps, arrivals="constant", seed=1, max_in_flight=_MAX_IN_FLIGHT, warmup_s=2, ramp_s=1,
        duration_s=1 + hold_s,
    )  # fmt: skip


def _ceiling() -> list[Figure]:
    valid: dict[float, float] = {}

    def is_valid(rate_rps: float) -> bool:
        with running(Serving()) as server:
            ran = our_generator.run(_open_at(rate_rps, 11.0), server.url, _BODY)
        _print_reasons(f"{rate_rps:.0f} requests a second", ran.reasons)
        if not ran.reasons and ran.rps_per_core:
            valid[rate_rps] = ran.rps_per_core
        return rate_rps in valid

    closed = [_closed_at_full_speed()]
    ours_rps = highest(closed[0]["FastHttpUser"].rps, is_valid, _CEILING_PRECISION)
    closed.append(_closed_at_full_speed())
    paced_rps = ours_rps or _REAL_RPS
    with running(Serving()) as server:
        paced = others.fast_http_user(server.port, _BODY, _MAX_IN_FLIGHT, _CLOSED_S, paced_rps)
        reference = others.reference(server.port, _BODY, _REAL_RPS, _CLOSED_S)
    figures = [Figure("ceiling: our highest valid rate", ours_rps or 0.0, "1/s")]
    for name in closed[0]:
        best_rps = max(turn[name].rps for turn in closed)
        figures.append(Figure(f"ceiling: {name}, closed loop at full speed", best_rps, "1/s"))
    ours_per_core = valid[ours_rps] if ours_rps else 0.0
    per_core = {name: statistics.mean(turn[name].rps_per_core for turn in closed) for name in closed[0]}
    figures.append(Figure("ceiling: ours at that rate, a core's second", ours_per_core, "requests"))
    figures += [Figure(f"ceiling: {name}, a core's second", value, "requests") for name, value in per_core.items()]
    against = {
        "full speed": ours_per_core / per_core["FastHttpUser"],
        "our rate": ours_per_core / paced.rps_per_core,
    }
    return [
        *figures,
        Figure("ceiling: FastHttpUser asked for our rate, achieved", paced.rps, "1/s"),
        Figure("ceiling: FastHttpUser asked for our rate, a core's second", paced.rps_per_core, "requests"),
        Figure("ceiling: reference at 300/s, a core's second", reference.rps_per_core, "requests"),
        Figure("ceiling: ours against FastHttpUser at full speed, per core", against["full speed"], "×", ">= 1"),
        Figure("ceiling: ours against FastHttpUser at our rate, per core", against["our rate"], "×", ">= 1"),
    ]


def _closed_at_full_speed() -> dict[str, others.Ran]:
    with running(Serving()) as server:
        ran = {"FastHttpUser": others.fast_http_user(server.port, _BODY, _CONNECTIONS, _CLOSED_S)}
        if by_wrk := others.wrk(server.port, _BODY, _CONNECTIONS, _CLOSED_S):
            ran["wrk"] = by_wrk
    return ran


def _capacity() -> list[Figure]:
    figures = []
    for workers, service_s, objective_s in _CAPACITIES:
        profile = CapacitySearch(
            quantile=0.99, latency_ms=1e3 * objective_s, error_ratio=0.001, lowest_rps=1, highest_rps=1000,
            precision=0.01, max_in_flight=128, warmup_s=10, duration_s=170,
        )  # fmt: skip
        began_s = time.perf_counter()
        with running(Serving(workers, service_s)) as server:
            ran = our_generator.run(profile, server.url, _BODY)
        took_s = time.perf_counter() - began_s
        name = f"capacity: {workers} workers, {1e3 * service_s:.0f} ms"
        _print_reasons(name, ran.reasons)
        truth_rps, rps = workers / service_s, ran.capacity and ran.capacity.rps
        off = abs(100 * (rps.value / truth_rps - 1)) if rps else np.inf
        figures += [
            Figure(f"{name}: truth", truth_rps, "1/s"),
            Figure(f"{name}: found", rps.value if rps else np.nan, "1/s"),
            Figure(f"{name}: low end of the interval", rps.low if rps else np.nan, "1/s"),
            Figure(f"{name}: high end of the interval", rps.high if rps else np.nan, "1/s"),
            Figure(f"{name}: off the truth", off, "%", "<= 3"),
            Figure(f"{name}: took", took_s, "s", "<= 180"),
        ]
    return figures


def _told(told: Told | None) -> Told:
    assert told, "the server has ended, so it has told"
    return told


def _print_reasons(what: str, reasons: tuple[str, ...]) -> None:
    for reason in reasons:
        print(f"  {what}: {reason}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
