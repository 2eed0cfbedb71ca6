"""A run that other programs took CPU from is not valid, and says who took how much."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.results.run.hosts import THIS_MACHINE
from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench.stores.synthetic import STARTED_AT, machine_samples, request_rows
from loadtest.generator.capacity.step import StepVerdict
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import LoadTestOutcome, outcome_of
from loadtest.result.raw_rows import RawRows
from loadtest.result.servers import Servers
from loadtest.result.validity.termination import Termination
from stacks.load.load_profiles import PROFILES, ClosedLoop, LoadProfile

BEGAN_US = int(STARTED_AT.timestamp() * 1e6)
CLOSED = ClosedLoop(users=4, spawn_rate_per_s=4, wait_s=0.1, warmup_s=0, duration_s=31)
SEARCH = PROFILES["capacity"].model_copy(update={"quantile": 0.9, "error_ratio": 0.01})
HEALTH = {"busy_ratio": 0.0, "event_loop_lag_p99_ms": 1.0, "users_min": None, "clock_step_ms": 0.0,
          "retransmitted_ratio": 0.0}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_a_user_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHAPEBENCH_OTHER_PROGRAMS", raising=False)


def outcome(load: LoadProfile, rows: pa.Table, others_at: Any, steps: Any = (), **health: float) -> LoadTestOutcome:
    """The outcome of a test during whose seconds other programs used so many of two cores."""
    samples = SAMPLES_SCHEMA.empty_table() if others_at is None else machine_samples(BEGAN_US, others_at)
    totals = {"counted_requests": rows.num_rows, "stop": None, "health": HEALTH | health, "search": {"steps": steps}}
    return outcome_of(
        LoadTestPlan(load_plan(load.plan_values), "rest", "http://server", "resnet", ".", ()),
        Termination(0, totals, None, ("the end",)),
        RawRows(rows, torn=False, corrupt_lines=()),
        samples,
        Servers(1, (), (), hosts=(THIS_MACHINE,)),
        datetime.now(UTC),
    )


def hold() -> pa.Table:
    """A steady closed loop of half a minute."""
    start_us = np.arange(0, 30_000_000, 50_000)
    return request_rows(start_us, np.full(start_us.size, 60_000), "hold", np.ones(start_us.size, dtype=bool))


def test_a_run_beside_four_busy_loops_is_not_valid_and_says_what_they_used() -> None:
    found = outcome(CLOSED, hold(), [1.57] * 30)
    [reason] = found.reasons
    assert reason == (
        "the run was disturbed: other programs used 1.57 of this machine's 2 cores while it measured, which server and"
        " load generator lacked, so the figures are not the server's alone; end them (`top` lists them), and run again"
    )
    assert found.did_not_settle
    assert found.other_cpu is not None
    assert (found.other_cpu.cores, found.other_cpu.machine_cores) == (pytest.approx(1.57), 2)


def test_what_follows_from_the_disturbance_is_no_fault_of_its_own() -> None:
    """The generator wakes up late because others have its core; the run is worth another try all the same."""
    found = outcome(CLOSED, hold(), [1.57] * 30, event_loop_lag_p99_ms=161.0)
    assert found.did_not_settle
    assert len(found.reasons) == 1
    assert not outcome(CLOSED, hold(), [0.02] * 30, event_loop_lag_p99_ms=161.0).did_not_settle


@pytest.mark.parametrize("others_at", [[0.05] * 30, [2.0] + [0.0] * 29, None])
def test_a_quiet_machine_and_a_short_burst_make_no_run_invalid(others_at: list[float] | None) -> None:
    assert outcome(CLOSED, hold(), others_at).reasons == ()


def test_a_run_counts_in_the_tests_of_this_project_whatever_else_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAPEBENCH_OTHER_PROGRAMS", "accepted")
    found = outcome(CLOSED, hold(), [1.57] * 30, event_loop_lag_p99_ms=161.0)
    assert found.reasons == ()
    assert found.other_cpu is not None
    assert found.other_cpu.cores == pytest.approx(1.57)
    [lag] = outcome(CLOSED, hold(), [0.02] * 30, event_loop_lag_p99_ms=161.0).reasons
    assert "event loop had a lag of 161 ms" in lag


# A climb, and four rates of a server whose share of late answers grows with the rate; 30 s each.
RATES = [(8.0, CONSTANT, 0.0), (8.0, POISSON, 0.02), (9.0, POISSON, 0.05), (10.0, POISSON, 0.11), (11.0, POISSON, 0.2)]
STEP_S = 30


def search(slow_steps: tuple[int, ...] = ()) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The rows and steps of a search; in the slow steps most answers are late."""
    rng, parts, steps = np.random.default_rng(3), [], []
    for number, (rate_rps, arrivals, late_share) in enumerate(RATES, 1):
        count = int(rate_rps * STEP_S)
        start_us = np.sort(rng.uniform(0, STEP_S * 1e6, count)) + (number - 1) * STEP_S * 1e6
        late = rng.uniform(size=count) < (0.8 if number in slow_steps else late_share)
        latency_us = np.where(late, 800_000, 100_000)
        parts.append(request_rows(start_us.astype("int64"), latency_us, f"step-{number}", np.ones(count, dtype=bool)))
        verdict = (StepVerdict.PASSED if arrivals == CONSTANT else StepVerdict.UNDECIDED).value
        steps.append({"phase": f"step-{number}", "rate_rps": rate_rps, "arrivals": arrivals, "verdict": verdict})
    return pa.concat_tables(parts), steps


def during(*numbers: int, cores: float = 1.0) -> list[float]:
    """Other programs that use so many cores in these steps, and none in the others."""
    return [cores if second // STEP_S + 1 in numbers else 0.0 for second in range(STEP_S * len(RATES))]


def test_a_search_is_refused_if_others_used_the_machine_while_it_was_near_the_capacity() -> None:
    rows, steps = search()
    assert outcome(SEARCH, rows, during(), steps).reasons == ()
    [reason] = outcome(SEARCH, rows, during(2, 3, 4, 5), steps).reasons
    assert "other programs used 1.00 of this machine's 2 cores" in reason


def test_one_disturbed_step_is_left_out_of_the_capacity_and_the_search_counts() -> None:
    rows, steps = search()
    quiet = outcome(SEARCH, rows, during(), steps)
    slowed, steps = search(slow_steps=(2,))
    found = outcome(SEARCH, slowed, during(2, cores=0.3), steps)
    assert found.reasons == ()
    assert found.capacity is not None
    assert [step.disturbed for step in found.capacity.steps] == [False, True, False, False, False]
    assert found.capacity.phase != "step-2"
    assert quiet.capacity is not None
    assert found.capacity.rps.value == pytest.approx(quiet.capacity.rps.value, rel=0.05)
    believed = outcome(SEARCH, slowed, during(), steps)
    assert believed.capacity is None or believed.capacity.rps.value != pytest.approx(quiet.capacity.rps.value, rel=0.05)


def test_others_in_the_climb_alone_refuse_no_search() -> None:
    rows, steps = search()
    assert outcome(SEARCH, rows, during(1, cores=2.0), steps).reasons == ()


def test_a_search_that_found_nothing_because_it_was_disturbed_says_so_and_not_what_to_set() -> None:
    rows, steps = search(slow_steps=(2, 3, 4, 5))
    [reason] = outcome(SEARCH, rows, during(2, 3, 4, 5, cores=1.5), steps).reasons
    assert reason.startswith("the run was disturbed")
