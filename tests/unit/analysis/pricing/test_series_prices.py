"""Prices of machine series against figures that were worked out by hand from public lists, and the rules for them."""

import pytest

from analysis.pricing import ON_DEMAND, Usage, cost
from analysis.pricing.rules import RULES
from analysis.pricing.snapshot import Snapshot, newest_snapshot
from stacks.machines.machine_series import ALL_SERIES, BOOT_DISKS
from stacks.machines.shapes import NodeShape, ShapeSettings
from tests.support.google_machines import DAY, SPOT_DAY


def shape(machine_type: str, nodes: int = 1, boot_disk: str | None = None) -> NodeShape:
    return NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes, boot_disk=boot_disk))


def nodes_24h(machine_type: str, nodes: int, usage: Usage = ON_DEMAND) -> float:
    hourly = cost.nodes_hourly(cost.estimate(shape(machine_type, nodes), usage=usage))
    assert hourly is not None
    return hourly * 24


@pytest.mark.parametrize(("machines", "usd"), DAY.items())
def test_a_day_costs_what_public_lists_say(machines: tuple[str, int], usd: float):
    assert nodes_24h(*machines) == pytest.approx(usd, abs=0.005)


@pytest.mark.parametrize(("machines", "usd"), SPOT_DAY.items())
def test_so_does_a_day_on_spot(machines: tuple[str, int], usd: float):
    assert nodes_24h(*machines, "spot") == pytest.approx(usd, abs=0.005)


def test_every_series_that_a_stack_can_have_is_held_against_a_figure():
    series = {shape(machine_type).series.name for machine_type, _ in DAY}
    assert series == {each.name for each in ALL_SERIES if each.architecture == "amd64"}


@pytest.mark.parametrize("machine_type", ["n2-custom-8-16384", "n2d-custom-8-16384"])
def test_a_custom_type_costs_five_percent_more(machine_type: str):
    predefined = 24 * sum(
        amount * newest_snapshot().price(f"{machine_type.split('-', maxsplit=1)[0]}-{part}", "us-central1").unit_price
        for part, amount in (("core", 8), ("memory", 16))
    )
    assert nodes_24h(machine_type, 1) == pytest.approx(1.05 * predefined)


def test_a_type_whose_price_is_not_known_is_not_free():
    found = cost.estimate(shape("n2-custom-8-16384"), usage="spot")
    assert found.hourly is None
    assert {item.name for item in found.line_items if item.hourly is None} == {
        "serving nodes: vCPUs", "serving nodes: memory",
    }  # fmt: skip


def test_hyperdisk_is_billed_by_capacity_and_its_included_performance_costs_nothing():
    found = cost.estimate(shape("n4d-highcpu-8", 2)).line_items
    disks = {item.name: item for item in found if item.name.startswith("serving nodes: boot")}
    assert disks["serving nodes: boot disks"].hourly == pytest.approx(2 * 20 * 0.08 / 730)
    assert (disks["serving nodes: boot disk IOPS"].hourly, disks["serving nodes: boot disk IOPS"].unit_price) == (
        0,
        None,
    )
    assert "140 MiB/s a disk are included" in (disks["serving nodes: boot disk throughput"].reason or "")


def test_a_series_of_two_disks_is_priced_with_the_one_that_is_chosen():
    usual, chosen = (cost.estimate(shape("c3-highcpu-8", 1, disk)) for disk in (None, "hyperdisk-balanced"))
    assert usual.hourly - chosen.hourly == pytest.approx(20 * (0.10 - 0.08) / 730)


def test_what_is_included_is_no_price_of_a_region_that_has_none():
    found = cost.estimate(shape("n4d-highcpu-8"), "europe-west4")
    assert found.hourly is None
    assert {item.unit_price for item in found.line_items} == {None}


def test_a_price_that_was_read_elsewhere_says_where_and_when():
    sources = {item.name: item.source for item in cost.estimate(shape("n4d-highcpu-8")).line_items}
    assert sources["serving nodes: vCPUs"] == "karpenter-provider-gcp initial-prices.json, 2026-08-06"
    assert sources["cluster fee"] is None
    assert "source" not in cost.estimate(shape("e2-highmem-8")).line_items[0].model_dump()
    kept = newest_snapshot()
    assert Snapshot.from_toml(kept.to_toml()).prices == kept.prices


def test_every_boot_disk_has_a_rule():
    assert BOOT_DISKS.keys() <= {rule.resource for rule in RULES}


# Descriptions of SKUs in Cyclenerd/google-cloud-pricing-cost-calculator, build/mapping.csv (dac31281f2a), and of
# commitments in public billing exports, with the resource and usage that they are the price of; None for near misses.
SKUS = {
    "N2D AMD Instance Core running in Americas": ("n2d-core", "on-demand"),
    "N2D AMD Custom Instance Ram running in Americas": ("n2d-custom-memory", "on-demand"),
    "Spot Preemptible N2D AMD Instance Core running in Americas": ("n2d-core", "spot"),
    "Commitment v1: N2D AMD Cpu in Americas for 1 Year": ("n2d-core", "commit-1y"),
    "N4D Instance Ram running in Americas": ("n4d-memory", "on-demand"),
    "C4A Arm Instance Core running in Americas": ("c4a-core", "on-demand"),
    "Commitment v1: C4A Arm Cpu in Americas for 3 Year": ("c4a-core", "commit-3y"),
    "T2D AMD Instance Core running in Americas": ("t2d-core", "on-demand"),
    "C2D AMD Instance Ram running in Americas": ("c2d-memory", "on-demand"),
    "Spot Preemptible C3D Instance Ram running in Americas": ("c3d-memory", "spot"),
    "N4A Instance Core running in Iowa": ("n4a-core", "on-demand"),
    "Hyperdisk Balanced Capacity in Iowa": ("hyperdisk-balanced", "on-demand"),
    "Hyperdisk Balanced Capacity in Iowa - Confidential Mode": None,
    "Confidential Mode Hyperdisk Balanced Capacity in Iowa": None,
    "Hyperdisk Balanced High Availability Capacity in Iowa": None,
    "Hyperdisk Balanced Storage Pools Advanced Capacity - Iowa": None,
    "C3 Instance Local SSD running in Americas": None,
    "C3 Sole Tenancy Instance Core running in Americas": None,
}


@pytest.mark.parametrize(("description", "priced"), SKUS.items())
def test_a_sku_is_the_price_of_one_resource(description: str, priced: tuple[str, Usage] | None):
    found = [
        (rule.resource, rule.usage)
        for rule in RULES
        if any(part.description.fullmatch(description) for part in rule.parts)
        and not (rule.resource.endswith(("custom-core", "custom-memory")) and rule.usage.startswith("commit"))
    ]
    assert found == ([] if priced is None else [priced])
