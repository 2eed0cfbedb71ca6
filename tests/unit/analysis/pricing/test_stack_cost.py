"""What a whole stack costs: everything that is declared has a line, and the test is no part of serving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.pricing.cost import at_least, estimate
from analysis.pricing.snapshot import Snapshot, newest_snapshot
from analysis.pricing.stack_cost import (
    cost_output,
    hourly_sentence,
    kept_cost,
    load_cost,
    run_usd,
    serving_cost,
    uploaded_bytes_in,
)
from analysis.results.schema.manifest import Category
from stacks.files import load_settings
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.server.models import RESNET50

REGION = "us-central1"
RUN_S = 300
STORED = 100_000_000
ADDED = {
    "NAT gateway: machines": (2, "VM-hour"),
    "NAT gateway: images": (2, "GB-month"),
    "NAT gateway: address": (1, "address-hour"),
    "model bucket": (0.1, "GB-month"),
}


def shape(machine_type: str, nodes: int) -> NodeShape:
    return NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes))


SERVING, LOAD = shape("e2-custom-8-16384", 2), shape("e2-standard-4", 1)


def without(*resources: str) -> Snapshot:
    full = newest_snapshot()
    kept = {key: price for key, price in full.prices.items() if key.resource not in resources}
    return Snapshot(full.name, full.as_of, full.currency, kept)


def test_serving_is_the_shape_and_the_ways_in_for_images_and_model():
    estimated = {item.name for item in estimate(SERVING).line_items}
    items = {item.name: (item.quantity, item.unit) for item in serving_cost(SERVING, REGION, STORED).line_items}
    assert {name: items[name] for name in items.keys() - estimated} == ADDED
    assert estimated < items.keys()


def test_the_test_adds_nodes_of_its_own_and_their_way_out():
    items = {item.name: item.quantity for item in load_cost(LOAD, REGION).line_items}
    assert items == {
        "load nodes: vCPUs": 4,
        "load nodes: memory": 16,
        "load nodes: boot disks": 20,
        "NAT gateway: machines": 1,
        "NAT gateway: images": 1,
    }
    assert {item.category for item in load_cost(LOAD, REGION).line_items} == {Category.load_test}


def test_what_the_load_nodes_are_changes_nothing_about_serving():
    small, large = (
        cost_output(serving_cost(SERVING, REGION, STORED), load_cost(load, REGION), RUN_S)
        for load in (LOAD, shape("e2-standard-8", 4))
    )
    assert small["serving"] == large["serving"]
    assert small["test"]["monthly"] < large["test"]["monthly"]


@pytest.mark.parametrize(
    ("stack", "usd_24h"), [("2cpu-4gb", 11.15), ("4cpu-8gb", 11.15), ("8cpu-16gb", 11.15), ("8cpu-64gb", 17.36)]
)
def test_the_four_stacks_cost_what_the_reference_says(stack, usd_24h):
    cost = cost_output(
        serving_cost(load_settings(stack).node_shape(stack), REGION, STORED), load_cost(LOAD, REGION), RUN_S
    )
    assert cost["serving"]["nodesOnly24h"] == usd_24h


@pytest.mark.parametrize("platform", ["local", "kubernetes"])
def test_what_a_stack_does_not_declare_is_not_priced(platform):
    assert kept_cost(platform, SERVING, REGION, STORED) == estimate(SERVING, REGION)


def test_a_gke_stack_keeps_all_that_it_declares_for_serving():
    assert kept_cost("gke", SERVING, REGION, STORED) == serving_cost(SERVING, REGION, STORED)
    assert kept_cost("gke", SERVING, REGION, STORED).hourly > estimate(SERVING, REGION).hourly


@pytest.mark.parametrize("gigabytes", [0, 2, 30])
def test_the_bucket_costs_what_the_model_in_it_takes(gigabytes):
    items = {item.name: item for item in serving_cost(SERVING, REGION, gigabytes * 10**9).line_items}
    # 0.02 USD for a gigabyte and month: https://cloud.google.com/storage/pricing.
    assert items["model bucket"].hourly * 730 == pytest.approx(0.02 * gigabytes)
    assert items["model bucket"].quantity == gigabytes


def test_a_fleet_of_a_measured_model_stores_as_much_as_its_run():
    assert uploaded_bytes_in(serving_cost(SERVING, REGION, 2_000_000_000)) == 2_000_000_000
    assert uploaded_bytes_in(serving_cost(SERVING, REGION, 0)) == 0
    assert uploaded_bytes_in(estimate(SERVING, REGION)) == RESNET50.size_bytes


def test_a_run_costs_all_that_is_there_while_it_lasts():
    serving, test = serving_cost(SERVING, REGION, STORED), load_cost(LOAD, REGION)
    assert run_usd(serving, test, 3600) == pytest.approx(serving.hourly + test.hourly)
    assert run_usd(serving, test, 300) * 12 == pytest.approx(run_usd(serving, test, 3600))
    assert run_usd(serving, load_cost(LOAD, "europe-west4"), 300) is None


def test_the_free_tier_covers_a_month_of_the_cluster_fee():
    serving = cost_output(serving_cost(SERVING, REGION, STORED), load_cost(LOAD, REGION), RUN_S)["serving"]
    assert serving["monthly"] - serving["monthlyWithFreeTier"] == pytest.approx(73, abs=0.011)


def test_a_month_of_the_gateway_is_what_its_price_list_says():
    serving = {item.name: item for item in serving_cost(shape("e2-standard-2", 14), REGION, STORED).line_items}
    # The price list's own example: 14 machines for 720 hours.
    assert serving["NAT gateway: machines"].hourly * 720 == pytest.approx(14.11, abs=0.005)
    assert serving["NAT gateway: images"].hourly * 730 == pytest.approx(14 * 0.045)


@given(nodes=st.integers(1, 64))
def test_a_gateway_counts_32_machines_at_most(nodes):
    items = {
        item.name: item.quantity for item in serving_cost(shape("e2-standard-2", nodes), REGION, STORED).line_items
    }
    assert items["NAT gateway: machines"] == min(nodes, 32)


def test_everything_in_the_embedded_region_has_a_price():
    assert serving_cost(SERVING, REGION, STORED).hourly is not None
    assert load_cost(LOAD, REGION).hourly is not None


@pytest.mark.parametrize("missing", ["nat-gateway-vm", "nat-address", "nat-data", "standard-storage"])
def test_what_has_no_price_is_named_and_its_sum_is_a_lower_bound(missing):
    source = without(missing)
    cost = cost_output(serving_cost(SERVING, REGION, STORED, source), load_cost(LOAD, REGION, source), RUN_S)
    assert cost["unpriced"]
    assert "monthly" not in cost["serving"]
    assert "monthlyWithFreeTier" not in cost["serving"]
    assert 0 < cost["serving"]["monthlyAtLeast"] < at_least(serving_cost(SERVING, REGION, STORED)) * 730


def test_a_region_without_prices_names_everything_and_no_figure_as_free():
    cost = cost_output(serving_cost(SERVING, "europe-west4", STORED), load_cost(LOAD, "europe-west4"), RUN_S)
    assert len(cost["unpriced"]) == 8 + 5
    assert cost["serving"] == {"hourlyAtLeast": 0, "monthlyAtLeast": 0}
    assert cost["test"] == {"hourlyAtLeast": 0, "monthlyAtLeast": 0}


def test_an_hour_is_said_in_a_sentence_with_both_parts():
    said = hourly_sentence(serving_cost(SERVING, REGION, STORED), load_cost(LOAD, REGION))
    serving, test = at_least(serving_cost(SERVING, REGION, STORED)), at_least(load_cost(LOAD, REGION))
    assert f"costs about {serving + test:.2f} USD an hour" in said
    assert f"{serving:.2f} for serving, {test:.2f} for the load test" in said


def test_an_hour_that_is_not_fully_priced_is_said_to_be_a_lower_bound():
    source = without("nat-address")
    said = hourly_sentence(serving_cost(SERVING, REGION, STORED, source), load_cost(LOAD, REGION, source))
    assert "costs at least" in said
    assert said.endswith("no price is known for NAT gateway: address")
