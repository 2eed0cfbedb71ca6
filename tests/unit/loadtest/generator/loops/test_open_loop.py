"""An open loop and a capacity search, with real Locust against a real server."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.servers.queueing import Queue, response_times_s
from bench.servers.simulated_server import ServerModel, true_capacity_rps
from loadtest.generator.plan import Limits, LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.runner import run_load_test
from stacks.load.load_profiles import CapacitySearch, LoadProfile, OpenLoop, Scheduled, TrafficCurve
from tests.unit.loadtest.plans import OUTPUTS, Spike
from tests.unit.loadtest.scenarios import ResultOf, Scenarios

pytestmark = pytest.mark.real_time

Serve = Callable[[Callable[[Any, int], None]], Any]

# What the server of the search can do within the objective, in requests per second, and how long each takes.
CAPACITY_RPS, SERVICE_S = 15.2, 0.05

scenario = Scenarios(at_once=4)


def run(url: str, work_dir: Path, profile: LoadProfile | Scheduled) -> LoadTestOutcome:
    limits = Limits(connect_timeout_s=1, response_timeout_s=5, flush_interval_s=0.1)
    body = b'{"instances": [[1, 2, 3]]}'
    plan = LoadTestPlan(load_plan(profile.plan_values), "rest", url, "resnet", str(work_dir), OUTPUTS, limits)
    return run_load_test(plan, [RequestBody(body)], lambda _: None, threading.Event())


def open_loop(**changes: Any) -> OpenLoop:
    fields: dict[str, Any] = {
        "rate_rps": 20.0, "arrivals": "constant", "seed": 1, "max_in_flight": 50, "warmup_s": 2.0, "ramp_s": 1.0,
        "duration_s": 4.0,
    }  # fmt: skip
    return OpenLoop(**fields | changes)


def us(rows: pa.Table, column: str) -> np.ndarray:
    return rows[column].cast(pa.int64()).to_numpy()


def rows_of(outcome: LoadTestOutcome, phase: str) -> pa.Table:
    return outcome.rows.filter(pc.equal(outcome.rows["phase"], phase)).sort_by("intended_start")


def hold_of(outcome: LoadTestOutcome) -> pa.Table:
    return rows_of(outcome, "hold")


def response_ms(rows: pa.Table) -> np.ndarray:
    """From when each request was due."""
    return (us(rows, "start") - us(rows, "intended_start") + us(rows, "latency_us")) / 1e3


def at_once(exchange: Any, _: int) -> None:
    exchange.answer()


@scenario
def steady(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    return run(serve(at_once).url, work_dir, open_loop(warmup_s=60.0))


def test_every_request_is_due_when_the_schedule_says(result_of: ResultOf) -> None:
    hold = hold_of(result_of(steady))
    intended_start_us = us(hold, "intended_start")
    assert hold.num_rows == 60
    assert np.abs(np.diff(intended_start_us) - 50_000).max() <= 1, "evenly spaced, to the microsecond"
    assert (us(hold, "start") >= intended_start_us).all()


def test_locust_counts_as_many_requests_as_there_are_rows(result_of: ResultOf) -> None:
    outcome = result_of(steady)
    assert outcome.counted_requests == outcome.rows.num_rows
    assert pc.all(outcome.rows["ok"]).as_py()


def test_the_warm_up_ends_when_the_server_is_warm(result_of: ResultOf) -> None:
    warmup = rows_of(result_of(steady), "warmup")
    assert warmup.num_rows >= 15
    assert np.ptp(us(warmup, "start")) < 30_000_000, "of a minute that it might have taken"


@scenario
def along_a_curve(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    curve = TrafficCurve(
        rates_rps=(0, 40, 10), arrivals="constant", seed=1, max_in_flight=50, warmup_s=60, duration_s=4
    )
    return run(serve(at_once).url, work_dir, curve)


def test_a_curve_is_played_from_its_beginning_to_its_end(result_of: ResultOf) -> None:
    outcome = result_of(along_a_curve)
    assert not outcome.faults
    due_s = us(hold_of(outcome), "intended_start") / 1e6
    # Request n is due where n are: 10 t² = n on the way up, in two seconds to 40 a second.
    assert len(due_s) == 40 + 50
    up_s = np.sqrt(np.arange(40) / 10)
    assert due_s[:40] - due_s[0] == pytest.approx(up_s, abs=1e-5)
    assert due_s[-1] - due_s[0] == pytest.approx(4, abs=0.11)
    assert not rows_of(outcome, "ramp").num_rows


@scenario
def in_a_spike(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    spike = Spike(rate_rps=10, arrivals="constant", seed=1, max_in_flight=50, warmup_s=60, duration_s=3)
    return run(serve(at_once).url, work_dir, spike)


def test_a_shape_that_the_generator_does_not_know_is_played_by_its_segments(result_of: ResultOf) -> None:
    outcome = result_of(in_a_spike)
    assert not outcome.faults
    due_s = us(hold_of(outcome), "intended_start") / 1e6
    assert np.histogram(due_s - due_s[0], bins=[0, 0.99, 1.99, 3])[0].tolist() == [10, 30, 10]


@scenario
def stalling(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    """One stall of a second, seen by everyone who comes while it lasts."""
    until = [0.0]

    def stall(exchange: Any, number: int) -> None:
        if number == 20:
            until[0] = time.monotonic() + 1.0
        time.sleep(max(0.0, until[0] - time.monotonic()))
        exchange.answer()

    return run(serve(stall).url, work_dir, open_loop(warmup_s=0.0))


def test_a_stall_is_seen_by_every_request_that_it_delays(result_of: ResultOf) -> None:
    found_ms = response_ms(hold_of(result_of(stalling)))
    assert len(found_ms) == 60, "nobody waited for an answer before asking"
    # Twenty came during the second, 50 ms apart, and each waited for the rest of it.
    assert (found_ms > 100).sum() == pytest.approx(18, abs=2)
    assert found_ms.max() == pytest.approx(1000, abs=150)


@scenario
def crowded(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    def slowly(exchange: Any, _: int) -> None:
        time.sleep(0.5)
        exchange.answer()

    return run(serve(slowly).url, work_dir, open_loop(max_in_flight=2, warmup_s=0.0))


def test_a_request_that_is_due_when_no_user_is_free_is_a_row(result_of: ResultOf) -> None:
    outcome = result_of(crowded)
    hold = hold_of(outcome)
    left = hold.filter(pc.equal(pc.fill_null(hold["error"], ""), "not_sent"))
    assert hold.num_rows == 60, "none is skipped"
    assert left.num_rows == pytest.approx(48, abs=3), "two at a time, half a second each: 4 of 20 a second"
    assert not pc.any(left["ok"]).as_py()
    assert us(left, "latency_us").max() == 0
    assert outcome.counted_requests == outcome.rows.num_rows


@scenario
def searching(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    """One worker, 50 ms: 20 requests a second at most."""
    free = [0.0]
    lock = threading.Lock()

    def in_turn(exchange: Any, _: int) -> None:
        with lock:
            free[0] = max(free[0], time.monotonic()) + SERVICE_S
            done = free[0]
        time.sleep(max(0.0, done - time.monotonic()))
        exchange.answer()

    objective = CapacitySearch(
        quantile=0.9, latency_ms=250, error_ratio=0.01, lowest_rps=1, highest_rps=100, precision=0.2,
        max_in_flight=50, warmup_s=2, duration_s=120,
    )  # fmt: skip
    return run(serve(in_turn).url, work_dir, objective)


def test_a_search_finds_the_capacity_and_keeps_the_whole_curve(result_of: ResultOf) -> None:
    outcome = result_of(searching)
    assert outcome.reasons == ()
    found = outcome.capacity
    assert found
    # By a simulation of the queue with Poisson arrivals: true_capacity_rps(ServerModel(1, 1, 0.05, 0.0), 0.9, 0.25, …).
    assert found.rps.low <= CAPACITY_RPS * 1.02
    # On a busy machine answers are later than the queue's, so that as much less of the limit is left to the queue.
    late_s = float(np.quantile(lateness_s(outcome), 0.9))
    left_rps = true_capacity_rps(ServerModel(1, 1, SERVICE_S, 0.0), 0.9, 0.25 - max(0.0, late_s), 200_000)
    assert found.rps.high >= left_rps * 0.98
    assert found.rps.low <= found.rps.value <= found.rps.high
    assert left_rps * 0.85 <= found.rps.value <= CAPACITY_RPS * 1.15
    assert [step.arrivals for step in found.steps] == sorted(step.arrivals for step in found.steps)
    assert sum(step.requests for step in found.steps) == sum(
        phase.startswith("step-") for phase in outcome.rows["phase"].to_pylist()
    )
    at = found.steps[int(found.phase.removeprefix("step-")) - 1]
    assert at.arrivals == "poisson"
    # The nearest one, unless there is a longer one just below the capacity.
    nearest = min(abs(step.rate_rps - found.rps.value) for step in found.steps if step.arrivals == "poisson")
    assert abs(at.rate_rps - found.rps.value) <= max(nearest, 0.05 * found.rps.value)
    assert at.p50_ms == pytest.approx(np.median(response_ms(rows_of(outcome, found.phase))), abs=0.01)
    lowest, *_, highest = sorted(found.steps, key=lambda step: step.rate_rps)
    assert lowest.p50_ms < 250 < highest.p50_ms


def lateness_s(outcome: LoadTestOutcome) -> np.ndarray:
    """How much later the answer of each request that was sent was than a queue's with one worker would be."""
    sent = outcome.rows.filter(pc.not_equal(pc.fill_null(outcome.rows["error"], ""), "not_sent"))
    sent = sent.sort_by("intended_start")
    due_s = us(sent, "intended_start") / 1e6
    return response_ms(sent) / 1e3 - response_times_s(due_s.tolist(), Queue(1, SERVICE_S))


def slow_search(url: str, work_dir: Path) -> LoadTestOutcome:
    objective = CapacitySearch(
        quantile=0.9, latency_ms=100, error_ratio=0.01, lowest_rps=2, highest_rps=100, precision=0.2,
        max_in_flight=50, warmup_s=1, duration_s=60,
    )  # fmt: skip
    return run(url, work_dir, objective)


@scenario
def too_slow(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    """Each answer takes longer than the objective allows, whatever the rate."""

    def slowly(exchange: Any, _: int) -> None:
        time.sleep(0.3)
        exchange.answer()

    return slow_search(serve(slowly).url, work_dir)


@scenario
def broken(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    """Each answer but the first ones is an error."""
    return slow_search(
        serve(lambda exchange, number: exchange.answer(status=200 if number < 15 else 503)).url, work_dir
    )


def test_a_server_that_is_slow_at_every_rate_has_an_upper_bound_of_its_capacity(result_of: ResultOf) -> None:
    outcome = result_of(too_slow)
    assert outcome.reasons == ()
    assert outcome.capacity
    assert outcome.capacity.rps.model_dump() == {"value": None, "low": 0, "high": 2}


def test_a_server_that_answers_with_errors_is_broken_and_not_slow(result_of: ResultOf) -> None:
    outcome = result_of(broken)
    assert outcome.capacity is None
    [reason] = outcome.reasons
    assert "so the server is broken rather than slow" in reason
