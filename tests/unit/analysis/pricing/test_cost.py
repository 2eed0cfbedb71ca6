import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.pricing import Price, cost
from analysis.pricing.snapshot import Billed, Snapshot, newest_snapshot
from analysis.pricing.stack_cost import serving_cost
from analysis.results.schema.manifest import Category, LineItem
from stacks.machines.shapes import NodeShape, ShapeSettings

NODES = st.integers(min_value=1, max_value=64)
CUSTOM_TYPES = st.builds(
    lambda vcpus, steps: f"e2-custom-{vcpus}-{256 * steps * vcpus}", st.sampled_from([2, 4, 8, 16]), st.integers(2, 32)
)


def shape(machine_type: str, nodes: int = 1) -> NodeShape:
    return NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes))


@pytest.mark.parametrize(
    ("machine_type", "nodes", "usd_24h"),
    [
        ("e2-custom-2-4096", 8, 11.15),
        ("e2-custom-4-8192", 4, 11.15),
        ("e2-custom-8-16384", 2, 11.15),
        ("e2-highmem-8", 2, 17.36),
        ("e2-custom-8-65536", 2, 18.22),  # the same resources, had they been a custom type
    ],
)
def test_a_day_of_the_published_shapes_costs_what_the_reference_says(machine_type, nodes, usd_24h):
    assert cost.nodes_hourly(cost.estimate(shape(machine_type, nodes))) * 24 == pytest.approx(usd_24h, abs=0.005)


@given(nodes=NODES, machine_type=CUSTOM_TYPES)
def test_nodes_cost_in_proportion_to_their_number(nodes, machine_type):
    one, many = (cost.estimate(shape(machine_type, count)) for count in (1, nodes))
    fee = 0.10
    assert many.hourly - fee == pytest.approx(nodes * (one.hourly - fee))
    assert cost.nodes_hourly(many) == pytest.approx(nodes * cost.nodes_hourly(one))


@given(nodes=NODES, machine_type=st.sampled_from(["e2-standard-2", "e2-standard-4", "e2-standard-8", "e2-highmem-8"]))
def test_a_custom_type_costs_five_percent_more_than_the_same_predefined_one(nodes, machine_type):
    predefined = shape(machine_type, nodes)
    custom = shape(f"e2-custom-{predefined.vcpus}-{round(predefined.memory_gb * 1024)}", nodes)
    ratio = cost.nodes_hourly(cost.estimate(custom)) / cost.nodes_hourly(cost.estimate(predefined))
    assert ratio == pytest.approx(1.05)


@given(nodes=NODES, machine_type=CUSTOM_TYPES)
def test_the_total_is_the_sum_of_its_line_items(nodes, machine_type):
    estimate = cost.estimate(shape(machine_type, nodes))
    assert estimate.hourly == pytest.approx(sum(item.hourly for item in estimate.line_items))
    assert cost.at_least(estimate) == pytest.approx(estimate.hourly)
    assert 0 < cost.nodes_hourly(estimate) < estimate.hourly


def test_every_line_item_names_its_sku_and_unit():
    estimate = cost.estimate(shape("e2-custom-8-16384", 2))
    assert {item.name: (item.quantity, item.unit, item.sku) for item in estimate.line_items} == {
        "serving nodes: vCPUs": (16, "vCPU-hour", "E2 Custom Instance Core running in Americas"),
        "serving nodes: memory": (32, "GB-hour", "E2 Custom Instance Ram running in Americas"),
        "serving nodes: boot disks": (40, "GB-month", "Balanced PD Capacity"),
        "cluster fee": (1, "cluster-hour", "Zonal Kubernetes Clusters"),
    }


def test_a_disk_is_billed_by_the_month_of_730_hours():
    [disks] = [item for item in cost.estimate(shape("e2-highmem-8", 2)).line_items if item.unit == "GB-month"]
    assert disks.hourly * 730 == pytest.approx(40 * 0.10)


def test_the_free_tier_takes_off_the_cluster_fee_and_nothing_else():
    estimate = cost.estimate(shape("e2-highmem-8", 2))
    total, with_free_tier, nodes_only = cost.sums(estimate)
    assert total.hourly - with_free_tier.hourly == pytest.approx(0.10)
    assert nodes_only.hourly == cost.nodes_hourly(estimate)


def test_a_region_without_prices_costs_none_and_says_why():
    estimate = cost.estimate(shape("e2-highmem-8", 2), "europe-west4")
    assert estimate.hourly is None
    assert cost.nodes_hourly(estimate) is None
    assert {item.unit_price for item in estimate.line_items} == {None}
    [at_least] = cost.sums(estimate)
    assert at_least.hourly == 0
    assert "europe-west4" in at_least.counts
    assert newest_snapshot().as_of in at_least.counts


@pytest.mark.parametrize("missing", ["e2-core", "e2-memory", "pd-balanced", "gke-zonal-cluster"])
def test_one_missing_price_makes_the_total_a_lower_bound(missing):
    full = newest_snapshot()
    partial = Snapshot(
        full.name,
        full.as_of,
        full.currency,
        {key: price for key, price in full.prices.items() if key.resource != missing},
    )
    whole, part = (cost.estimate(shape("e2-highmem-8", 2), source=source) for source in (full, partial))
    assert part.hourly is None
    [unpriced] = [item for item in part.line_items if item.hourly is None]
    assert missing in unpriced.reason
    assert unpriced.name in cost.why_unpriced(part)
    assert 0 < cost.at_least(part) < whole.hourly
    assert len(part.line_items) == len(whole.line_items)


def test_a_price_in_another_unit_is_an_error_and_no_figure():
    full = newest_snapshot()
    wrong = Price(sku="E2 Instance Core", unit="vCPU-second", unit_price=1e-6)
    mixed = Snapshot(full.name, full.as_of, full.currency, {**full.prices, Billed("e2-core", "us-central1"): wrong})
    with pytest.raises(ValueError, match="vCPU-second"):
        cost.estimate(shape("e2-highmem-8"), source=mixed)


def test_a_line_item_that_was_written_without_a_category_has_that_of_today():
    for item in serving_cost(shape("e2-highmem-8", 2), "us-central1").line_items:
        written_before = item.model_dump(exclude={"category"})
        assert LineItem.model_validate(written_before) == item
        assert item.category is not Category.other
    assert LineItem.model_validate(written_before | {"name": "something else"}).category is Category.other
