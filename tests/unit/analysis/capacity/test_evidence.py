"""What one run says about the capacity."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.capacity.evidence import Basis, Evidence, NoEvidence, evidence_of
from analysis.objective import Objective
from analysis.results.schema.manifest import CapacityRps
from analysis.verdict.verdict import judge
from bench.servers.simulated_server import true_capacity_rps
from bench.stores.synthetic import machine_samples
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from stacks.load.load_profiles import ClosedLoop, OpenLoop
from tests.unit.analysis.capacity.played import CAPACITY_RPS, OBJECTIVE, SERVER, played, run_of, search_run

NEAR = [
    (40.0, 3.0, CONSTANT),
    (85.0, 20.0, CONSTANT),
    (45.0, 60.0, POISSON),
    (60.0, 60.0, POISSON),
    (68.0, 120.0, POISSON),
    (71.0, 120.0, POISSON),
]


def open_loop(rate_rps: float, arrivals: str = POISSON, seconds: float = 60.0) -> tuple:
    load = OpenLoop(
        rate_rps=rate_rps, arrivals=arrivals, seed=1, max_in_flight=256, warmup_s=5, ramp_s=1, duration_s=seconds + 1
    )
    return run_of(load, [("hold", *played(rate_rps, seconds, law=arrivals))], "hold")


def test_a_search_gives_a_value_within_its_interval_which_holds_the_capacity() -> None:
    found = evidence_of(*search_run(NEAR), OBJECTIVE)
    assert isinstance(found, Evidence)
    assert found.basis is Basis.search
    assert found.rps.value == pytest.approx(CAPACITY_RPS, rel=0.04)
    assert 0.8 * CAPACITY_RPS < found.rps.low < found.rps.value < found.rps.high < 1.2 * CAPACITY_RPS
    assert found.rps.low <= CAPACITY_RPS <= found.rps.high


@pytest.mark.parametrize(("quantile", "latency_ms"), [(0.9, 200), (0.95, 150), (0.97, 250), (0.9, 150)])
def test_another_objective_is_answered_from_the_same_steps(quantile: float, latency_ms: float) -> None:
    found = evidence_of(*search_run(NEAR), Objective(quantile=quantile, latency_ms=latency_ms, errors=0.01))
    true_rps = true_capacity_rps(SERVER, quantile, latency_ms / 1e3, 1_000_000)
    assert isinstance(found, Evidence)
    assert found.rps.low <= true_rps <= found.rps.high


def test_an_objective_far_looser_than_the_steps_reached_has_a_lower_bound_alone() -> None:
    run = search_run([(40.0, 30.0, POISSON), (50.0, 30.0, POISSON)])
    found = evidence_of(*run, Objective(quantile=0.9, latency_ms=2000, errors=0.01))
    assert isinstance(found, Evidence)
    assert (found.rps.value, found.rps.low, found.rps.high) == (None, 50.0, math.inf)


def test_an_objective_far_tighter_than_the_steps_reached_has_an_upper_bound_alone() -> None:
    found = evidence_of(*search_run(NEAR), Objective(quantile=0.99, latency_ms=20, errors=0.01))
    assert isinstance(found, Evidence)
    assert (found.rps.value, found.rps.low, found.rps.high) == (None, 0.0, 40.0)


def test_a_search_that_found_every_rate_too_high_is_an_upper_bound_for_it_and_for_stricter_objectives() -> None:
    manifest, rows = search_run([(90.0, 20.0, CONSTANT), (85.0, 20.0, CONSTANT)])
    assert manifest.capacity
    bound = CapacityRps(value=None, low=0, high=85)
    run = manifest.model_copy(update={"capacity": manifest.capacity.model_copy(update={"rps": bound})}), rows
    for objective in (OBJECTIVE, OBJECTIVE.model_copy(update={"latency_ms": 100})):
        found = evidence_of(*run, objective)
        assert isinstance(found, Evidence)
        assert (found.rps.value, found.rps.low, found.rps.high) == (None, 0.0, 85.0)


def test_a_search_of_evenly_spaced_requests_gives_no_lower_bound() -> None:
    old = search_run([(72.0, 60.0, None), (90.0, 20.0, None)])
    found = evidence_of(*old, OBJECTIVE)
    assert isinstance(found, Evidence)
    assert (found.rps.value, found.rps.low, found.rps.high) == (None, 0.0, 90.0)
    nothing = evidence_of(*search_run([(40.0, 60.0, None)]), OBJECTIVE)
    assert isinstance(nothing, NoEvidence)
    assert "constant arrivals can only show that a rate is too high" in nothing.reason


def test_an_open_loop_that_keeps_the_objective_is_a_lower_bound_and_one_that_misses_it_an_upper_one() -> None:
    kept, missed = evidence_of(*open_loop(50.0), OBJECTIVE), evidence_of(*open_loop(78.0), OBJECTIVE)
    assert isinstance(kept, Evidence)
    assert isinstance(missed, Evidence)
    assert (kept.basis, kept.rps.low, kept.rps.high) == (Basis.open_loop, 50.0, math.inf)
    assert (missed.basis, missed.rps.low, missed.rps.high) == (Basis.open_loop, 0.0, 78.0)


def test_an_open_loop_close_to_the_capacity_says_that_it_is_not_certain() -> None:
    found = evidence_of(*open_loop(CAPACITY_RPS, seconds=20.0), OBJECTIVE)
    assert isinstance(found, NoEvidence)
    assert "68.5 requests/s" in found.reason


def test_evenly_spaced_requests_bound_the_capacity_from_above_only() -> None:
    found = evidence_of(*open_loop(50.0, CONSTANT), OBJECTIVE)
    assert isinstance(found, NoEvidence)
    assert "constant arrivals can only show that its rate is too high" in found.reason
    above = evidence_of(*open_loop(90.0, CONSTANT), OBJECTIVE)
    assert isinstance(above, Evidence)
    assert (above.rps.low, above.rps.high) == (0.0, 90.0)


def test_requests_that_fail_are_misses_and_errors() -> None:
    offsets_s, end_s = played(50.0, 60.0)
    end_s[::10] = np.inf
    manifest, _ = open_loop(50.0)
    run = run_of(manifest.load, [("hold", offsets_s, end_s)], "hold")
    lenient = Objective(quantile=0.8, latency_ms=200, errors=0.2)
    strict = lenient.model_copy(update={"errors": 0.01})
    no_latency = Objective(quantile=0.8, latency_ms=None, errors=0.2)
    assert evidence_of(*run, lenient) == evidence_of(*run, no_latency)
    assert evidence_of(*run, lenient).rps.low == 50.0
    assert evidence_of(*run, strict).rps.high == 50.0


def closed_loop(users: int, wait_s: float, others: float | None = 0.0, server: float = 3.6) -> tuple:
    """Ten requests of one user, then the hold of all of them, on a machine of four cores that other programs share.

    Without `others` there are no samples.
    """
    load = ClosedLoop(users=users, spawn_rate_per_s=users, wait_s=wait_s, warmup_s=5, duration_s=61)
    free, due, end = [0.0] * 4, [], []
    rng = np.random.default_rng(1)
    ready = np.sort(rng.uniform(0, 0.1, users)).tolist()
    while (at := min(ready)) < 60:
        worker = int(np.argmin(free))
        free[worker] = max(at, free[worker]) + rng.lognormal(np.log(0.05) - 0.02, 0.2)
        due.append(at)
        end.append(free[worker])
        ready[ready.index(at)] = free[worker] + wait_s
    alone = np.arange(10) * 0.1
    hold = np.array(due), np.array(end)
    manifest, rows = run_of(load, [("warmup", alone, alone + 0.05), ("hold", *hold)], "hold", platform="local")
    samples = rows.samples if others is None else machine_samples(0, [others] * 80, server=server, cores=4)
    return manifest, replace(rows, samples=samples)


def test_a_closed_loop_that_saturates_bounds_the_capacity_from_above() -> None:
    found = evidence_of(*closed_loop(16, 0.0), OBJECTIVE)
    assert isinstance(found, Evidence)
    assert (found.basis, found.rps.value, found.rps.low) == (Basis.saturated, None, 0.0)
    assert 80 < found.rps.high < 88


def test_a_bound_allows_for_the_cpu_that_other_programs_took_from_the_server() -> None:
    alone, beside = (evidence_of(*closed_loop(16, 0.0, others), OBJECTIVE) for others in (0.0, 0.3))
    assert isinstance(alone, Evidence)
    assert isinstance(beside, Evidence)
    assert beside.rps.high == pytest.approx(alone.rps.high * (3.6 + 0.3) / 3.6)


def test_a_queue_in_front_of_a_machine_that_was_busy_with_something_else_says_nothing_of_the_server() -> None:
    """Rows alone look the same: the loop queues, at whatever speed the other programs leave."""
    manifest, rows = closed_loop(16, 0.0, others=3.1, server=0.8)
    [reason] = judge(manifest, rows, OBJECTIVE).reasons
    assert reason.startswith("the run was disturbed: other programs used 3.10 of this machine's 4 cores")


def test_a_stored_search_is_refused_if_its_samples_show_that_others_used_the_machine_near_the_capacity() -> None:
    """In runs from before other programs were recorded; in the climb they matter less."""
    manifest, rows = search_run(NEAR)
    run = manifest.model_copy(update={"platform": "local"})
    climb, near = np.zeros(600), np.zeros(600)
    climb[:30], near[60:] = 1.5, 0.5
    for others, expected in ((climb, False), (near, True)):
        samples = machine_samples(0, others.tolist())
        assert bool(judge(run, replace(rows, samples=samples), OBJECTIVE).reasons) is expected


def test_a_disturbed_step_is_no_evidence() -> None:
    """The capacity follows from the other steps, and a search without others says nothing."""
    manifest, rows = search_run([*NEAR, (66.0, 60.0, POISSON)])
    assert manifest.capacity
    slow = rows.every.phase.equal(f"step-{len(NEAR) + 1}")
    late = replace(rows.every, end_us=np.where(slow, rows.every.end_us + 1_000_000, rows.every.end_us))
    steps = [step.model_copy(update={"disturbed": step.rate_rps == 66.0}) for step in manifest.capacity.steps]
    marked = manifest.model_copy(update={"capacity": manifest.capacity.model_copy(update={"steps": tuple(steps)})})
    quiet = evidence_of(*search_run(NEAR), OBJECTIVE)
    found = evidence_of(marked, replace(rows, every=late), OBJECTIVE)
    assert isinstance(quiet, Evidence)
    assert isinstance(found, Evidence)
    assert (found.rps.value, found.rps.low, found.rps.high) == (quiet.rps.value, quiet.rps.low, quiet.rps.high)
    believed = evidence_of(manifest, replace(rows, every=late), OBJECTIVE)
    assert believed != replace(found, run_id=believed.run_id), "the step says something else"


def test_without_samples_it_is_not_known_what_a_closed_loop_was_limited_by() -> None:
    found = evidence_of(*closed_loop(16, 0.0, others=None), OBJECTIVE)
    assert isinstance(found, NoEvidence)
    assert "its samples do not show whether its servers or other programs were the limit" in found.reason


@pytest.mark.parametrize(("users", "wait_s"), [(2, 0.0), (16, 1.0), (5, 0.0)])
def test_a_closed_loop_that_does_not_saturate_says_nothing(users: int, wait_s: float) -> None:
    found = evidence_of(*closed_loop(users, wait_s), OBJECTIVE)
    assert found == NoEvidence(
        found.run_id, "a closed loop that did not saturate says nothing about capacity; run a capacity search"
    )


def test_one_user_never_saturates_a_server_even_if_its_machine_becomes_slower() -> None:
    starts_s = np.arange(60) * 1.0
    load = ClosedLoop(users=1, spawn_rate_per_s=1, wait_s=0, warmup_s=5, duration_s=61)
    slower = run_of(load, [("warmup", starts_s[:10], starts_s[:10] + 0.3), ("hold", starts_s, starts_s + 0.9)], "hold")
    assert isinstance(evidence_of(*slower, OBJECTIVE), NoEvidence)


def test_a_search_without_a_result_and_rows_that_are_missing_say_so() -> None:
    manifest, rows = search_run(NEAR)
    empty = evidence_of(manifest.model_copy(update={"capacity": None}), rows, OBJECTIVE)
    assert empty == NoEvidence(manifest.run_id, "its capacity search has no result; run it again")
    broken = type(rows)(rows.every, rows.counted, rows.samples, ("part-w0.parquet is missing",))
    assert "part-w0.parquet is missing" in evidence_of(manifest, broken, OBJECTIVE).reason
