"""The generator's highest rate over REST and over gRPC, against null servers.

The rate is the generator's limit, not the server's: it uses a whole core, for which a load test would be invalid. In
each round both protocols take a turn, each first in every second round, so that other load on the machine affects both.
The ratio is of one round, and the median over the rounds is reported. `make bench-serving` compares the protocols of a
server.
"""

import statistics
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from bench.figures import Figure, argument_parser, report, start
from bench.generators.our_generator import load_test, photograph_body
from bench.servers import null_grpc_server, null_server
from bench.servers import processes as servers
from loadtest.generator.phases import HOLD
from stacks.load.load_profiles import ClosedLoop

_USERS = 8
SMALLEST = ("--rounds", "1", "--seconds", "1")
_ANSWERS = {"rest": null_server.prediction, "grpc": null_grpc_server.prediction}


@dataclass(frozen=True)
class Turn:
    """The hold phase of one protocol in one round. The CPU is the generator's, in percent of a core."""

    rps: float
    p50_ms: float
    cpu_peak_percent: float


def main() -> None:
    """Measure and report; takes about a minute and a half."""
    parser = argument_parser("protocols", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of one turn of each protocol (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="duration of one turn (default: %(default)s)")
    arguments = start(parser, ["locust", "gevent", "geventhttpclient", "grpcio", "protobuf"])
    bodies = {protocol: photograph_body(protocol) for protocol in _ANSWERS}
    for protocol, body in bodies.items():
        print(f"{protocol}: request {len(body)} bytes, answer {len(_ANSWERS[protocol]())} bytes")
    print(f"{_USERS} users without a pause, {arguments.rounds} rounds of 2 × {arguments.seconds:g} s")
    with ExitStack() as running:
        urls = {protocol: running.enter_context(servers.null(protocol))[1] for protocol in _ANSWERS}
        turns = [list(urls) if number % 2 == 0 else list(urls)[::-1] for number in range(arguments.rounds)]
        rounds = [{each: _turn(each, urls[each], bodies[each], arguments.seconds) for each in order} for order in turns]
    report("protocols", _figures(rounds))


def _turn(protocol: str, url: str, body: bytes, hold_s: float) -> Turn:
    profile = ClosedLoop(users=_USERS, spawn_rate_per_s=_USERS, wait_s=0.0, warmup_s=0.0, duration_s=1 + hold_s)
    outcome = load_test(protocol, profile, url, body)
    held = outcome.rows.filter(pc.equal(outcome.rows["phase"], HOLD))
    good = pc.sum(held["ok"]).as_py() or 0
    if not good or good < held.num_rows:
        raise RuntimeError(
            f"{held.num_rows - good} of {held.num_rows} {protocol} requests failed, so the rates mean nothing"
        )
    start_us = held["start"].cast(pa.int64())
    seconds = (pc.max(start_us).as_py() - pc.min(start_us).as_py()) / 1e6
    median_ms = pc.quantile(held["latency_us"], 0.5)[0].as_py() / 1e3
    return Turn(held.num_rows / seconds, median_ms, outcome.cpu_peak_percent or 0.0)


def _figures(rounds: list[dict[str, Turn]]) -> list[Figure]:
    figures = []
    for protocol in _ANSWERS:
        turns = [by_protocol[protocol] for by_protocol in rounds]
        cpu_percent = statistics.median(turn.cpu_peak_percent for turn in turns)
        figures += [
            Figure(f"{protocol}: requests a second", statistics.median(turn.rps for turn in turns), "1/s"),
            Figure(f"{protocol}: median latency", statistics.median(turn.p50_ms for turn in turns), "ms"),
            Figure(f"{protocol}: generator's CPU, peak", cpu_percent, "% of a core"),
        ]
    ratio = statistics.median(by_protocol["grpc"].rps / by_protocol["rest"].rps for by_protocol in rounds)
    return [*figures, Figure("grpc against rest: requests a second", ratio, "×")]


if __name__ == "__main__":
    main()
