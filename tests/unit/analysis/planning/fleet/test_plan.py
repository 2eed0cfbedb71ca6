"""Plans from stored searches of simulated nodes whose capacity is known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.objective import Asked
from analysis.planning.fleet import fleet_capacity
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.plan import MULTIPLES, Requirement, make_plan
from analysis.planning.replica_model.model import most_at_once
from analysis.pricing.stack_cost import serving_cost
from analysis.results.schema.manifest import Validity
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.fleets.searches import searched_run
from bench.fleets.truth import Server, lognormal
from bench.stores.synthetic import Server as SyntheticServer
from bench.stores.synthetic import make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import Batching

# Two workers of 80 ms: a node finishes 25 requests a second at most.
SERVER = Server(2, lognormal(80, 0.2))
SLOWER = Server(2, lognormal(160, 0.2))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fleet_capacity, "_REQUESTS", dict.fromkeys(fleet_capacity._REQUESTS, 12_000))
    monkeypatch.setattr(fleet_capacity, "_FLEETS", dict.fromkeys(fleet_capacity._REQUESTS, 1))


def planned(store: ResultsStore, rps: float = 500, **terms):
    return make_plan(store, read_verdict(store, Asked()), Requirement(rps, Terms(**terms)), lambda _: None)


@pytest.fixture(scope="module")
def rest(tmp_path_factory):
    store = ResultsStore(str(tmp_path_factory.mktemp("rest")))
    searched_run(store, SERVER, 2, 300, seed=4)
    return store


@pytest.fixture(scope="module")
def grpc(tmp_path_factory):
    store = ResultsStore(str(tmp_path_factory.mktemp("grpc")))
    searched_run(store, SERVER, 4, 300, seed=4, protocol="grpc")
    return store


def test_a_replica_serves_as_many_at_once_as_it_has_threads_for_and_over_grpc_all_that_the_run_sent():
    manifest = make_manifest(PROFILES["seed"])

    def at_once(**changes):
        return most_at_once(manifest.model_copy(update={"serving": manifest.serving.model_copy(update=changes)}))

    batching = Batching(max_batch_size=32, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
    assert at_once(protocol="rest") == 4 * manifest.shape.vcpus
    assert at_once(protocol="rest", batching=batching) == 64
    assert at_once(protocol="rest", batching=batching, rest_threads=8, seed_faithful=False) == 8
    chosen_by_the_server = at_once(protocol="rest", batching=batching, seed_faithful=True)
    assert chosen_by_the_server == 4 * manifest.shape.vcpus, "server.h of tensorflow/serving 2.20.0"
    assert at_once(protocol="grpc") == PROFILES["seed"].users


def test_a_node_carries_its_share_of_the_low_end_of_the_capacity_of_the_verdict(rest):
    plan = planned(rest)
    [candidate], [ranked] = plan.candidates, plan.verdict.ranking
    low_rps = ranked.capacity.rps.low / 2
    assert 0.5 * 25 < low_rps < 0.7 * 25
    assert candidate.nodes == math.ceil(500 / low_rps)
    assert candidate.fewest == math.ceil(500 / (ranked.capacity.rps.high / 2))
    assert (candidate.lost_nodes, candidate.offer.effect, plan.excluded) == (None, None, ())


def test_headroom_buys_nodes(rest):
    [without], [with_room] = planned(rest).candidates, planned(rest, headroom=0.3).candidates
    assert with_room.nodes == pytest.approx(1.3 * without.nodes, abs=1)


def test_with_zones_the_fleet_keeps_the_objective_without_the_largest_one(rest):
    [one_zone], [candidate] = planned(rest).candidates, planned(rest, zones=3).candidates
    assert candidate.nodes - candidate.lost_nodes >= one_zone.nodes
    assert candidate.lost_nodes / candidate.nodes == pytest.approx(1 / 3, abs=0.05)
    # Headroom is for such a loss, so it is not bought twice.
    assert planned(rest, zones=3, headroom=0.6).candidates[0].nodes == planned(rest, headroom=0.6).candidates[0].nodes


def test_the_bill_is_that_of_a_stack_with_so_many_nodes(rest):
    [candidate] = planned(rest).candidates
    shape = candidate.offer.shape.model_copy(update={"nodes": candidate.nodes})
    assert candidate.cost == serving_cost(shape, candidate.offer.region)
    assert len(candidate.cost.line_items) > 4


@given(st.floats(1, 5000), st.sampled_from([0.0, 0.3]), st.sampled_from([1, 3]))
@settings(max_examples=15)
def test_a_plan_and_the_curve_of_bills_agree_at_every_load(rest, rps, headroom, zones):
    [at_load] = planned(rest, rps, headroom=headroom, zones=zones).candidates
    [elsewhere] = planned(rest, 500, headroom=headroom, zones=zones).candidates
    assert elsewhere.offer.bill(rps).nodes == at_load.nodes


def test_many_clients_need_more_nodes_than_one_generator_that_takes_turns(grpc):
    plan = planned(grpc)
    [candidate], [ranked] = plan.candidates, plan.verdict.ranking
    # Two workers of 80 ms at a p99 of 300 ms: 0.65 of the limit at random, 0.82 when four nodes are used in turn.
    assert ranked.capacity.rps.value / 4 == pytest.approx(0.82 * 25, rel=0.06)
    assert 0.7 < candidate.relative < 0.9


def test_few_grpc_clients_need_fewer_nodes_than_many(grpc):
    few, many = (planned(grpc, clients=clients).candidates[0] for clients in (5, 1000))
    assert few.nodes < 0.9 * many.nodes


def test_connections_of_rest_clients_need_more_nodes_than_chance(rest):
    [at_random], [connected] = planned(rest).candidates, planned(rest, clients=500).candidates
    assert at_random.offer.effect is None
    assert connected.nodes > at_random.nodes
    assert connected.offer.effect.balancer.kind == "connections"


def test_a_run_whose_replicas_are_not_understood_is_planned_with_only_where_its_clients_do_not_matter(
    rest, monkeypatch
):
    monkeypatch.setattr("analysis.planning.replica_model.model.MOST_ERROR", 0.0)
    assert planned(rest).candidates
    plan = planned(rest, clients=50)
    assert plan.candidates == ()
    [(_, why)] = plan.excluded
    assert "the effect of the clients is not known from the variant's newest run: no scaling law fits the run" in why


def test_the_cheapest_fleet_comes_first(store):
    searched_run(store, SLOWER, 2, 600, seed=4, stack="slower", machine_type="e2-custom-4-8192")
    searched_run(store, SERVER, 2, 600, seed=4)
    first, second = planned(store).candidates
    assert first.cost.hourly < second.cost.hourly
    assert [first.offer.bill(500 * multiple).rps for multiple in MULTIPLES] == [125, 250, 500, 1000, 2000]


def test_runs_that_are_not_used_for_a_plan_say_why(store):
    searched = searched_run(store, SERVER, 2, 300, seed=4)
    invalid = Validity(verdict="invalid", reasons=("the server died",))
    closed = make_rows(PROFILES["smoke"], SyntheticServer(capacity_rps=30, service_ms=20))
    without = {
        write_run(store, make_manifest(PROFILES["smoke"], validity=invalid), closed).run_id: "the server died",
        write_run(store, make_manifest(PROFILES["smoke"]), closed).run_id: "says nothing about",
    }
    plan = planned(store)
    assert [run.run_id for run in plan.candidates[0].offer.ranked.variant.manifests] == [searched.run_id]
    reasons = {manifest.run_id: why for manifest, why in plan.excluded}
    assert reasons.keys() == without.keys()
    for run_id, why in reasons.items():
        assert without[run_id] in why
