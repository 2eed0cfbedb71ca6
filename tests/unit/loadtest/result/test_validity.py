"""Healthy runs are valid, and sabotaged ones are not: each for its own reason."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.results.schema.request_rows import NOT_SENT, REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.schema.thresholds import GENERATOR_BUSY_CORES
from loadtest.generator.clients import client
from loadtest.generator.loops.arrivals import Segment, along_segments
from loadtest.generator.monitoring import health
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import outcome_of
from loadtest.result.raw_rows import RawRows
from loadtest.result.servers import Servers, ServerState
from loadtest.result.validity.measurement import measurement_reasons
from loadtest.result.validity.servers import idle_replica_reasons
from loadtest.result.validity.termination import Termination
from stacks.load.load_profiles import PROFILES, ClosedLoop, LoadProfile, OpenLoop

BEGAN_US = 1_790_000_000_000_000
OPEN = OpenLoop(rate_rps=50, arrivals="constant", seed=1, max_in_flight=64, warmup_s=0, ramp_s=2, duration_s=32)
POISSON = OPEN.model_copy(update={"arrivals": "poisson", "seed": 9})
REPLICAS = tuple(ServerState(f"s{at}", f"uid-{at}", image="i@sha256:1") for at in range(2))
CLOSED = ClosedLoop(users=8, spawn_rate_per_s=4, wait_s=0.1, warmup_s=0, duration_s=32)


@dataclass
class Run:
    """What the generator measured; a sabotage changes any of it. Times are in µs since the run began."""

    profile: LoadProfile
    due: np.ndarray
    start: np.ndarray
    latency: np.ndarray
    phase: np.ndarray
    error: np.ndarray
    backend: np.ndarray
    health: dict[str, Any] = field(
        default_factory=lambda: {
            "busy_ratio": 0.0, "event_loop_lag_p99_ms": 1.2, "users_min": None, "clock_step_ms": 0.01,
            "retransmitted_ratio": 0.0,
        }
    )  # fmt: skip
    totals: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    replicas: tuple[ServerState, ...] = REPLICAS
    replicas_after: tuple[ServerState, ...] = REPLICAS

    @property
    def held(self) -> np.ndarray:
        return self.phase == "hold"

    @property
    def table(self) -> pa.Table:
        count = len(self.due)
        times = REQUESTS_SCHEMA.field("start").type
        return pa.table(
            {
                "intended_start": pa.array(self.due + BEGAN_US).cast(times),
                "start": pa.array(self.start + BEGAN_US).cast(times),
                "latency_us": self.latency,
                "phase": pa.array(self.phase.tolist()),
                "ok": self.error == "",
                "status": np.where(self.error == "", 200, -1).astype("int16"),
                "error": pa.array([error or None for error in self.error.tolist()]),
                "request_bytes": np.full(count, 790_000),
                "response_bytes": np.full(count, 11_000),
                "worker": pa.array(["locust-0"] * count),
                "backend": pa.array([backend or None for backend in self.backend.tolist()]),
            },
            schema=REQUESTS_SCHEMA,
        )

    def reasons(self) -> tuple[str, ...]:
        count, rows = len(self.due), self.table
        totals = {"counted_requests": count, "stop": None, "health": self.health} | self.totals
        return outcome_of(
            LoadTestPlan(load_plan(self.profile.plan_values), "rest", "http://server", "resnet", ".", ()),
            Termination(self.exit_code, None if self.exit_code else totals, None, ("the end",)),
            RawRows(rows, torn=False, corrupt_lines=()),
            SAMPLES_SCHEMA.empty_table(),
            Servers(2, self.replicas, self.replicas_after),
            datetime.now(UTC),
        ).reasons


def a_run(profile: LoadProfile, seed: int = 0, spread: float = 0.1, median_ms: float = 60.0) -> Run:
    """A server without a queue, whose latencies are log-normal; the generator is half a millisecond late."""
    draw = np.random.default_rng(seed)
    if isinstance(profile, OpenLoop):
        segments = [Segment(*segment) for segment in profile.segments]
        schedule = along_segments(segments, profile.arrivals, profile.seed)
        offsets_s, phases = zip(*((arrival.intended_start_s, arrival.phase) for arrival in schedule), strict=True)
        due = (np.array(offsets_s) * 1e6).astype("int64")
        start, phase = due + draw.exponential(500, len(due)).astype("int64"), np.array(phases)
    else:
        count = int(profile.duration_s * profile.users / (profile.wait_s + median_ms / 1e3))
        due = start = np.sort(draw.uniform(0, profile.duration_s * 1e6, count)).astype("int64")
        phase = np.where(due < profile.ramp_s * 1e6, "ramp", "hold")
    latency = (median_ms * 1e3 * draw.lognormal(0, spread, len(due))).astype("int64")
    backend = np.where(draw.uniform(size=len(due)) < 0.5, "10.0.0.1:8500", "10.0.0.2:8500")
    run = Run(profile, due, start, latency, phase, np.full(len(due), "", dtype=object), backend.astype(object))
    run.health["users_min"] = profile.users if isinstance(profile, ClosedLoop) else profile.max_in_flight
    return run


HEALTHY: dict[str, Callable[[], Run]] = {
    "closed loop": lambda: a_run(CLOSED),
    "closed loop, other draws": lambda: a_run(CLOSED, seed=4),
    "closed loop, wide spread": lambda: a_run(CLOSED, seed=5, spread=0.6),
    "constant arrivals": lambda: a_run(OPEN),
    "constant arrivals, other draws": lambda: a_run(OPEN, seed=2),
    "poisson arrivals": lambda: a_run(POISSON),
    "poisson arrivals, wide spread": lambda: a_run(POISSON, seed=3, spread=0.8),
    "a very quick server": lambda: a_run(OPEN, seed=6, median_ms=0.8),
    "a slow server": lambda: a_run(OPEN, seed=7, median_ms=900),
    "one stall of two seconds": lambda: stalled(a_run(OPEN, seed=8)),
    "a few errors": lambda: with_errors(a_run(POISSON, seed=10)),
    "REST, where nobody knows who answered": lambda: anonymous(a_run(OPEN, seed=11)),
    "a short run, which cannot tell a drift": lambda: a_run(
        OPEN.model_copy(update={"duration_s": 6.0}), seed=12, spread=0.5
    ),
}


def stalled(run: Run) -> Run:
    hit = run.held & (run.due > 15e6) & (run.due < 17e6)
    run.latency[hit] += (17e6 - run.due[hit]).astype("int64")
    return run


def with_errors(run: Run) -> Run:
    run.error[::200] = "http_503"
    return run


def anonymous(run: Run) -> Run:
    run.backend[:] = ""
    return run


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_has_no_reason_against_it(name: str) -> None:
    assert HEALTHY[name]().reasons() == ()


def keep_only(run: Run, kept: np.ndarray) -> None:
    for name in ("due", "start", "latency", "phase", "error", "backend"):
        setattr(run, name, getattr(run, name)[kept])


def starved(run: Run) -> None:
    run.health["busy_ratio"] = 0.7


def blocked(run: Run) -> None:
    run.health["event_loop_lag_p99_ms"] = 240.0


def late(run: Run) -> None:
    run.start[run.held] += np.random.default_rng(0).uniform(0, 90_000, run.held.sum()).astype("int64")


def slowed(run: Run) -> None:
    """Each request a little later than the one before: at the end half a second behind."""
    run.start[run.held] += np.linspace(0, 500_000, run.held.sum()).astype("int64")


def dead_worker(run: Run) -> None:
    run.health["users_min"] -= 3


def dropped_rows(run: Run) -> None:
    keep_only(run, np.arange(len(run.due)) % 40 != 39)


def uncounted_rows(run: Run) -> None:
    run.totals["counted_requests"] = len(run.due) + 12


def killed(run: Run) -> None:
    run.exit_code = -9


def server_gone(run: Run) -> None:
    run.totals["stop"] = {"cause": "server_gone", "detail": "no request was answered for 5.1 s"}


def restarted_server(run: Run) -> None:
    run.replicas = (ServerState("process 7", "7 boot:100"),)
    run.replicas_after = (ServerState("process 8", "8 boot:200"),)


def restarted_replica(run: Run) -> None:
    run.replicas_after = (REPLICAS[0], replace(REPLICAS[1], restarts=1))


def replaced_replica(run: Run) -> None:
    run.replicas_after = (replace(REPLICAS[0], name="s9", uid="another"), REPLICAS[1])


def idle_replica(run: Run) -> None:
    run.backend[:] = "10.0.0.1:8500"


def lazy_replica(run: Run) -> None:
    run.backend[:] = np.where(np.arange(len(run.due)) % 10 == 0, "10.0.0.2:8500", "10.0.0.1:8500")


def drifting(run: Run) -> None:
    """A leak: what took 60 ms takes 120 ms at the end."""
    run.latency = (run.latency * (1 + np.linspace(0, 1, len(run.due)))).astype("int64")


def warming(run: Run) -> None:
    run.latency = (run.latency * (1 + 2 * np.exp(-np.arange(len(run.due)) / 500))).astype("int64")


def overloaded(run: Run) -> None:
    """A queue: every second of the test adds a fifth of a second."""
    run.latency += (0.2 * run.due).astype("int64")


def stepping(run: Run) -> None:
    """Half-way a neighbour comes, and every answer takes half as long again."""
    run.latency[run.due > np.median(run.due)] *= 3
    run.latency //= 2


def jammed(run: Run) -> None:
    """At a fifth of the test, every answer begins to take ten times as long."""
    run.latency[run.due > np.quantile(run.due, 0.2)] *= 10


def clock_set(run: Run) -> None:
    run.health["clock_step_ms"] = 1500.0


def clock_backwards(run: Run) -> None:
    run.start[100:120] -= 2_000_000


def lossy_network(run: Run) -> None:
    run.health["retransmitted_ratio"] = 0.08


def all_failed(run: Run) -> None:
    run.error[:] = "timeout"


def refused_calls(run: Run) -> None:
    """In the ramp only: a capacity search, too, refuses before the counted phase."""
    run.error[np.flatnonzero(run.phase == "ramp")[:3]] = "grpc_no_thread"


SABOTAGED: list[tuple[Callable[[Run], None], LoadProfile, str]] = [
    (starved, CLOSED, "used more than 90 % of its core in 70% of the measured seconds"),
    (starved, OPEN, "used more than 90 % of its core in 70% of the measured seconds"),
    (starved, CLOSED, "the generator and not the server; raise shapebench:load.processes or, in a cluster, load.pods"),
    (blocked, OPEN, "event loop had a lag of 240 ms"),
    (late, OPEN, "so the figures include the generator's delay"),
    (slowed, OPEN, "so the figures include the generator's delay"),
    (dead_worker, CLOSED, "only 5 of 8 users were running"),
    (dead_worker, OPEN, "only 61 of 64 users were running"),
    (dropped_rows, OPEN, "1500 requests were due in the hold phase, but it has 1463 rows, so rows are missing"),
    (dropped_rows, POISSON, "rows are missing"),
    (uncounted_rows, CLOSED, "so rows are missing or duplicated; run again"),
    (killed, OPEN, "the load generator crashed (SIGKILL)"),
    (server_gone, OPEN, "the server stopped answering: no request was answered for 5.1 s"),
    (restarted_server, OPEN, "server process 7 was replaced during the test by process 8"),
    (restarted_replica, OPEN, "server s1 restarted during the test (1 times)"),
    (replaced_replica, CLOSED, "server s0 was replaced during the test by s9"),
    (idle_replica, OPEN, "only 1 of 2 replicas answered (10.0.0.1:8500)"),
    (lazy_replica, OPEN, "replica 10.0.0.2:8500 answered 150 of 1500"),
    (drifting, CLOSED, "did not settle: median latency rose"),
    (drifting, OPEN, "did not settle: median latency rose"),
    (warming, OPEN, "did not settle: median latency fell"),
    (stepping, OPEN, "did not settle: median latency rose by"),
    (jammed, POISSON, "did not settle: median latency rose by"),
    (overloaded, POISSON, "did not settle: median latency rose"),
    (clock_set, OPEN, "wall clock was changed by 1500 ms"),
    (clock_backwards, OPEN, "sent before they were due"),
    (lossy_network, OPEN, "8.0% of the generator's TCP segments were retransmitted"),
    (refused_calls, OPEN, "ran out of gRPC threads (--grpc_max_threads) and refused 3 of"),
    (all_failed, OPEN, "requests failed, most of them with timeout"),
]


@pytest.mark.parametrize(("sabotage", "profile", "words"), SABOTAGED)
def test_a_sabotaged_run_is_invalid_for_the_right_reason(
    sabotage: Callable[[Run], None], profile: LoadProfile, words: str
) -> None:
    run = a_run(profile)
    sabotage(run)
    assert words in run.reasons()[0]


@pytest.mark.parametrize(("sabotage", "profile", "words"), SABOTAGED)
def test_a_sabotage_has_no_second_reason_without_a_cause(
    sabotage: Callable[[Run], None], profile: LoadProfile, words: str
) -> None:
    run = a_run(profile)
    sabotage(run)
    beside = [reason for reason in run.reasons() if words not in reason]
    # Rows that went missing change the rate, and a schedule that slips does; a failed run has no good hold either.
    assert all("instead of the planned" in reason or "of the hold phase failed" in reason for reason in beside)


def test_a_capacity_search_is_not_told_to_take_more_processes_which_it_refuses() -> None:
    """A rate that the generator cannot send: each of the four reasons names another cure."""
    run = a_run(OPEN)
    health = {"busy_ratio": 0.7, "event_loop_lag_p99_ms": 240.0}
    search = load_plan(PROFILES["capacity"].plan_values)
    starved_and_blocked = measurement_reasons(run.table, run.table, search, health)
    assert len(starved_and_blocked) == 2
    assert not [reason for reason in starved_and_blocked if "load.processes" in reason]
    assert all("faster cores" in reason for reason in starved_and_blocked)


def test_runs_without_a_drift_never_have_one_by_chance() -> None:
    assert not any(a_run(profile, seed=seed, spread=0.5).reasons() for seed in range(60) for profile in (OPEN, CLOSED))


def test_a_rate_that_was_not_reached_is_a_reason() -> None:
    run = a_run(OPEN, median_ms=3000)
    run.start[run.held] += np.linspace(0, 400_000, run.held.sum()).astype("int64")
    (reason,) = run.reasons()
    assert "requests/s were sent instead of the planned 50.0" in reason


def test_a_replica_that_counted_no_request_was_idle_though_rows_do_not_name_replicas() -> None:
    [reason] = idle_replica_reasons({"a": 90, "b": 0}, 2, load_plan(CLOSED.plan_values))
    assert reason == (
        "only 1 of 2 replicas answered (a), so the cost per prediction includes replicas that did nothing; check the"
        " logs of the others, or, if few requests were sent, use more users or a higher rate"
    )


@pytest.mark.parametrize(
    ("requests", "replicas", "profile"),
    [
        ({"a": 90, "b": 1}, 2, CLOSED),  # by the Service's chance, as for anybody
        ({"a": 90, "b": 0}, 2, OPEN),  # by the generator's few connections
        ({"a": 90}, 2, CLOSED),  # the other one does not say
        ({}, 2, CLOSED),
        ({"a": 0}, 1, CLOSED),
    ],
)
def test_an_unknown_or_normal_split_of_requests_is_no_reason(
    requests: dict[str, int], replicas: int, profile: LoadProfile
) -> None:
    assert idle_replica_reasons(requests, replicas, load_plan(profile.plan_values)) == ()


def test_constants_that_the_generator_cannot_import_are_the_same_in_the_analysis() -> None:
    assert health.BUSY_PERCENT == 100 * GENERATOR_BUSY_CORES
    assert client.NOT_SENT == NOT_SENT
    for profile in PROFILES.values():
        assert load_plan(profile.plan_values).rate_is_fixed == profile.rate_is_fixed
