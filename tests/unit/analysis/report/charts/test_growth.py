"""How latency grows with throughput: what is said of simulated servers whose limit is known."""

import re

import numpy as np
import pytest

from analysis.objective import Asked
from analysis.planning.replica_model.service import Service, spread_of
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet
from analysis.report.charts.growth import growths
from analysis.report.collect import collect
from analysis.report.render import write_report
from analysis.results.schema.manifest import Validity
from bench.fleets.searches import searched_run
from bench.fleets.truth import Server, lognormal
from bench.stores.simulated_runs import closed_loop_run, cores_of_its_own
from bench.stores.synthetic import make_manifest, write_run
from stacks.load.load_profiles import PROFILES, ClosedLoop

# Two replicas of two threads of 80 ms: 50 requests a second at most.
SERVICE = Service(80, spread_of(np.random.default_rng(3).lognormal(0, 0.2, 50_000)), cores_of_its_own(2))
RANDOM = Balancer("random")
FLEET = Fleet(2, SERVICE, RANDOM)
BUSY = ClosedLoop(users=40, spawn_rate_per_s=1, wait_s=0.5, warmup_s=10, duration_s=90)
IDLE = ClosedLoop(users=4, spawn_rate_per_s=2, wait_s=1, warmup_s=0, duration_s=60)
ASKED = Asked()


def grown(store):
    findings = collect(store, ASKED)
    return growths(findings.ranked + findings.unranked)


@pytest.mark.parametrize("run", ["closed", "search"])
def test_the_law_of_a_loaded_server_has_its_error_and_its_limit(store, run):
    if run == "closed":
        closed_loop_run(store, FLEET, BUSY, seed=4)
    else:
        searched_run(store, Server(2, lognormal(80, 0.2)), 2, 300, seed=4)
    [growth] = grown(store)
    error, limit = map(
        float, re.search(r"Throughput error ([\d.]+) % .* limit by the law: ([\d.]+)/s\.", growth.law).groups()
    )
    assert error < 8
    assert limit == pytest.approx(2 * SERVICE.limit_rps, rel=0.1)
    assert growth.levels[0].latency_ms < 1.3 * SERVICE.alone_ms
    assert [level.concurrency for level in growth.levels] == sorted(level.concurrency for level in growth.levels)
    for level in growth.levels:
        # Little's law holds of what the law says, too.
        assert level.law_rps * level.law_ms / 1000 == pytest.approx(level.concurrency)
    assert "with the fitted law as a line" in growth.drawing


def corners(drawing):
    """By how many degrees the law's line turns at each of its points, in the picture."""
    [line] = re.findall(r'stroke-dasharray="5,3"[^>]* d="([^"]*)"|d="([^"]*)"[^>]*stroke-dasharray="5,3"', drawing)
    points = np.array([pair.split(",") for pair in re.findall(r"[-\d.]+,[-\d.]+", "".join(line))], dtype=float)
    steps = np.diff(points, axis=0)
    directions = np.degrees(np.arctan2(*steps[np.hypot(*steps.T) > 0.2].T))
    return np.abs((np.diff(directions) + 180) % 360 - 180)


@pytest.mark.parametrize("runs", [("closed",), ("search",), ("closed", "search")], ids=" and ".join)
def test_the_law_is_drawn_without_corners(store, runs):
    if "closed" in runs:
        closed_loop_run(store, FLEET, BUSY, seed=4)
    if "search" in runs:
        searched_run(store, Server(2, lognormal(80, 0.2)), 2, 300, seed=4)
    [growth] = grown(store)
    turns = corners(str(growth.drawing))
    assert len(turns) > 50
    # A right angle is 90 degrees. Coordinates are rounded to 0.01 px.
    assert turns.max() < 15
    assert turns.sum() < 120


def test_runs_at_several_loads_are_levels_of_one_variant(store):
    for users in (2, 8, 20, 60):
        load = ClosedLoop(users=users, spawn_rate_per_s=1000, wait_s=0.5, warmup_s=0, duration_s=30)
        closed_loop_run(store, FLEET, load, seed=users)
    [growth] = grown(store)
    assert len(growth.levels) == 4
    assert growth.levels[-1].latency_ms > 4 * growth.levels[0].latency_ms
    assert "over 4 levels" in growth.law


def test_with_too_few_levels_no_law_is_fitted_and_more_runs_are_suggested(store, tmp_path):
    closed_loop_run(store, FLEET, IDLE, seed=1)
    [growth] = grown(store)
    assert growth.law.startswith("No law is fitted: one level of load was measured")
    assert "capacity search" in growth.law
    assert [(level.law_rps, level.law_ms) for level in growth.levels] == [(None, None)]
    for path in write_report(collect(store, ASKED), tmp_path / "report"):
        assert growth.law in path.read_text()


def test_a_law_with_a_large_error_has_no_limit(store):
    # Ten times slower under the lightest load than under the others: no law of queueing is like that.
    cold = Fleet(2, Service(800, SERVICE.spread, cores_of_its_own(2)), RANDOM)
    closed_loop_run(
        store, cold, ClosedLoop(users=2, spawn_rate_per_s=1000, wait_s=0, warmup_s=0, duration_s=30), seed=1
    )
    closed_loop_run(store, FLEET, BUSY, seed=4)
    [growth] = grown(store)
    assert "too large to extrapolate" in growth.law
    assert "limit by the law" not in growth.law


def test_invalid_runs_and_runs_without_answers_give_no_levels(store, table, row):
    broken = Validity(verdict="invalid", reasons=("the server died",))
    closed_loop_run(store, FLEET, BUSY, seed=4, validity=broken)
    write_run(store, make_manifest(PROFILES["smoke"], "4cpu-8gb"), table([row(at, ok=at < 3) for at in range(30)]))
    [growth] = grown(store)
    assert growth.label == "4cpu-8gb · interop4"
    assert (growth.levels, growth.drawing) == ((), None)
    assert "20 good answers" in growth.law
