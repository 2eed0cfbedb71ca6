import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.planning import model as model_module
from analysis.planning import plan as plan_module
from analysis.planning import tail
from analysis.planning.capacity import NoCapacityError, node_capacity
from analysis.planning.model import NoModelError, most_at_once, read_model
from analysis.planning.plan import Requirement, make_plan
from analysis.planning.service import Service, spread_of
from analysis.planning.simulation import Fleet
from analysis.pricing.stack_cost import serving_cost
from analysis.results.manifest import Replica, Validity
from analysis.results.store import ResultsStore
from bench.stores.simulated_runs import capacity_run, closed_loop_run, cores_of_its_own
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load_profiles import PROFILES, ClosedLoop
from stacks.serving_variant import Batching

# Two threads of 80 ms: a node finishes 25 requests a second at most.
SERVICE = Service(80, spread_of(np.random.default_rng(3).lognormal(0, 0.2, 50_000)), cores_of_its_own(2))
FLEET = Fleet(2, SERVICE, "random")
BUSY = ClosedLoop(users=40, spawn_rate_per_s=1, wait_s=0.5, warmup_s=30, duration_s=160)
IDLE = ClosedLoop(users=4, spawn_rate_per_s=0.1, wait_s=1, warmup_s=30, duration_s=200)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(plan_module, "_CHECK_REQUESTS", 20_000)
    monkeypatch.setattr(model_module, "QUICK_REQUESTS", 8_000)
    monkeypatch.setattr(tail, "QUICK_REQUESTS", 8_000)


def planned(store: ResultsStore, **asked):
    return make_plan(store, Requirement(**{"rps": 500, "p99_ms": 300} | asked), lambda _: None)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    store = ResultsStore(str(tmp_path_factory.mktemp("searched")))
    return store, capacity_run(store, FLEET, 300, seed=4)


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    store = ResultsStore(str(tmp_path_factory.mktemp("closed")))
    return store, closed_loop_run(store, FLEET, BUSY, seed=4)


def test_a_replica_serves_as_many_at_once_as_it_has_threads_for_and_over_grpc_all_that_the_run_sent(closed):
    _, manifest = closed

    def at_once(**changes):
        return most_at_once(manifest.model_copy(update={"serving": manifest.serving.model_copy(update=changes)}))

    batching = Batching(max_batch_size=32, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
    assert at_once(protocol="rest") == 4 * manifest.shape.vcpus
    assert at_once(protocol="rest", batching=batching) == 64
    assert at_once(protocol="rest", batching=batching, rest_threads=8, seed_faithful=False) == 8
    chosen_by_the_server = at_once(protocol="rest", batching=batching, seed_faithful=True)
    assert chosen_by_the_server == 4 * manifest.shape.vcpus, "server.h of tensorflow/serving 2.20.0"
    assert at_once(protocol="grpc") == BUSY.users


def test_the_capacity_of_a_node_is_its_share_of_a_search_with_the_same_limit(searched):
    store, manifest = searched
    found = node_capacity(read_model(store, manifest), 300)
    assert found.basis == "measured"
    assert (found.value_rps, found.high_rps) == (manifest.capacity.rps.value / 2, manifest.capacity.rps.high / 2)
    assert 0.6 * SERVICE.limit_rps < found.low_rps < SERVICE.limit_rps


def test_of_a_search_with_another_limit_the_steps_give_the_capacity(searched):
    store, manifest = searched
    model = read_model(store, manifest)
    stricter, looser = node_capacity(model, 150), node_capacity(model, 5_000)
    assert stricter.low_rps < node_capacity(model, 300).low_rps <= looser.low_rps
    assert all(step.rate_rps >= 2 * stricter.high_rps for step in manifest.capacity.steps if step.p99_ms > 150)
    with pytest.raises(NoCapacityError, match=r"kept a p99 of 50 ms \(the lowest of any step is"):
        node_capacity(model, 50)


def test_a_search_without_a_correct_answer_says_so_and_names_no_latency(searched):
    model = read_model(*searched)
    search = model.manifest.capacity
    steps = tuple(step.model_copy(update={"p50_ms": None, "p99_ms": None}) for step in search.steps)
    manifest = model.manifest.model_copy(update={"capacity": search.model_copy(update={"steps": steps})})
    with pytest.raises(NoCapacityError) as error:
        node_capacity(replace(model, manifest=manifest), 150)
    assert "no step of its capacity search has a correct answer, so there is no p99" in str(error.value)
    assert "nan" not in str(error.value)


def test_a_closed_loop_that_was_busy_is_modelled(closed):
    found = node_capacity(read_model(*closed), 400)
    assert found.basis == "modelled"
    assert found.low_rps < found.value_rps < found.high_rps
    assert 0.6 * SERVICE.limit_rps < found.value_rps < 1.05 * SERVICE.limit_rps


def test_a_closed_loop_that_was_idle_says_at_least(store):
    manifest = closed_loop_run(store, FLEET, IDLE, seed=4)
    found = node_capacity(read_model(store, manifest), 400)
    assert (found.basis, found.high_rps) == ("at least", None)
    assert found.low_rps < 4 / 1.08 / 2 * 1.2
    [candidate] = planned(store, p99_ms=400).candidates
    assert candidate.fewest is None


def test_a_p99_below_that_of_a_request_alone_has_no_capacity(closed):
    with pytest.raises(NoCapacityError, match="slowest 1 % of its requests take longer than 60 ms"):
        node_capacity(read_model(*closed), 60)


def test_nodes_follow_from_the_low_end_of_the_capacity_of_one(searched):
    store, manifest = searched
    [candidate] = planned(store).candidates
    assert candidate.nodes >= math.ceil(500 / (manifest.capacity.rps.low / 2))
    assert candidate.fewest <= candidate.nodes
    assert candidate.p99_ms <= 300
    assert candidate.lost_zone is None
    [with_room] = planned(store, headroom=0.3).candidates
    assert with_room.nodes == math.ceil(1.3 * 500 / candidate.capacity.low_rps)
    assert with_room.p99_ms < candidate.p99_ms


def test_the_bill_is_that_of_a_stack_with_so_many_nodes(searched):
    store, manifest = searched
    [candidate] = planned(store).candidates
    shape = manifest.shape.model_copy(update={"nodes": candidate.nodes})
    assert candidate.cost == serving_cost(shape, manifest.cost.region)
    assert len(candidate.cost.line_items) > 4


def test_a_lost_zone_breaks_a_tight_limit_and_more_nodes_keep_it(searched):
    store, _ = searched
    [candidate] = planned(store, zones=3).candidates
    lost = candidate.lost_zone
    assert lost.nodes_lost == math.ceil(candidate.nodes / 3)
    assert lost.error_ratio_until_noticed == pytest.approx(1 / 3, abs=0.05)
    assert not lost.holds
    assert lost.p99_ms > 600
    assert lost.nodes_to_hold - math.ceil(lost.nodes_to_hold / 3) >= math.ceil(500 / candidate.capacity.low_rps)
    assert lost.cost_to_hold.hourly > candidate.cost.hourly


def test_with_enough_headroom_a_lost_zone_breaks_nothing(searched):
    store, _ = searched
    [candidate] = planned(store, zones=3, headroom=0.6).candidates
    assert candidate.lost_zone.holds
    assert candidate.lost_zone.nodes_to_hold == candidate.nodes


def test_the_only_node_is_all_lost_with_its_zone(searched):
    [candidate] = planned(searched[0], rps=10, zones=2).candidates
    assert candidate.nodes == 1
    assert (candidate.lost_zone.error_ratio_until_noticed, candidate.lost_zone.p99_ms) == (1, math.inf)
    assert candidate.lost_zone.nodes_to_hold == 2


def test_a_simulated_p99_is_corrected_by_the_error_of_the_simulation(searched):
    store, manifest = searched
    steps = tuple(step.model_copy(update={"p99_ms": 2 * step.p99_ms}) for step in manifest.capacity.steps)
    slower = manifest.model_copy(update={"capacity": manifest.capacity.model_copy(update={"steps": steps})})
    plain, stretched = read_model(store, manifest), read_model(store, slower)
    assert stretched.underestimate == pytest.approx(
        2 * plain.agreement.measured_p99_ms / plain.agreement.simulated_p99_ms
    )
    assert stretched.p99_ms(20, 300) == pytest.approx(
        plain.p99_ms(20, 300) * stretched.underestimate / plain.underestimate
    )


def test_of_two_close_laws_the_one_with_the_p99_of_the_run_is_taken(closed):
    # A closed loop never shows many requests at once; the other law fits it as well and then breaks down beyond.
    model = read_model(*closed)
    assert (model.scaling.law, model.scaling.threads) == ("threads", 2)
    assert model.agreement.log_error < 0.3


def test_repeats_of_a_variant_are_planned_with_together(store):
    runs = [capacity_run(store, FLEET, 300, seed=seed) for seed in (4, 40)]
    [candidate] = planned(store).candidates
    assert set(candidate.run_ids) == {run.run_id for run in runs}
    assert candidate.capacity.low_rps == min(run.capacity.rps.low for run in runs) / 2
    assert candidate.capacity.high_rps == max(run.capacity.rps.high for run in runs) / 2


def test_the_cheapest_fleet_comes_first(store):
    slower = Fleet(2, Service(160, SERVICE.spread, SERVICE.speeds), "random")
    capacity_run(store, slower, 600, seed=4, stack="slower", machine_type="e2-custom-4-8192")
    capacity_run(store, FLEET, 600, seed=4)
    first, second = planned(store, p99_ms=600).candidates
    assert first.cost.hourly < second.cost.hourly


def test_runs_that_are_not_used_for_a_plan_say_why(store):
    invalid = Validity(verdict="invalid", reasons=("the server died",))
    steady = make_rows(PROFILES["smoke"], Server(capacity_rps=30, service_ms=20))
    failing = make_rows(PROFILES["smoke"], Server(capacity_rps=30, service_ms=20, error_share=0.2))
    expected = {
        write_run(store, make_manifest(PROFILES["smoke"], validity=invalid), steady).run_id: "the server died",
        write_run(store, make_manifest(PROFILES["smoke"], platform="local"), steady).run_id: "this machine",
        write_run(store, make_manifest(PROFILES["smoke"]), failing).run_id: "of its requests failed",
        write_run(store, make_manifest(PROFILES["smoke"]), steady.slice(0, 0)).run_id: "one level of load at most",
    }
    found = planned(store)
    assert found.candidates == ()
    assert {run_id for run_id, _ in found.excluded} == expected.keys()
    for run_id, why in found.excluded:
        assert expected[run_id] in why


def test_runs_on_another_cpu_are_not_planned_with_and_say_why(store):
    xeon, epyc = ((Replica(name="s0", cpu_model=model),) for model in ("Xeon", "EPYC"))
    other = capacity_run(store, FLEET, 300, seed=4, replicas=xeon)
    run = capacity_run(store, Fleet(2, Service(160, SERVICE.spread, SERVICE.speeds), "random"), 600, 4, replicas=epyc)
    plan = planned(store, p99_ms=600)
    assert [each.run_ids for each in plan.candidates] == [(run.run_id,)]
    [(run_id, why)] = plan.excluded
    assert run_id == other.run_id
    assert why.startswith("it ran on Xeon, so it does not compare with runs on EPYC; run both on one CPU model")


def test_rows_that_are_missing_allow_no_model(store):
    manifest = closed_loop_run(store, FLEET, IDLE, seed=4)
    [path], [] = store.parts(manifest)
    with open(path, "r+b") as file:  # noqa: PTH123 - the store hands out names
        file.truncate(100)
    with pytest.raises(NoModelError, match="rows are missing"):
        read_model(store, manifest)
