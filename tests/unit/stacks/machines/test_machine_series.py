"""Machine series: sizes, cores, disks and quotas as Google's pages have them, and one clear error for what is wrong.

The truth is in tests/support/google_machines.py; nothing is taken from the table.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stacks.explain import SettingsError
from stacks.files import with_defaults
from stacks.machines.machine_series import (
    ALL_SERIES,
    BOOT_DISKS,
    TABLE,
    UnknownMachineTypeError,
    machine_resources,
    machine_series,
    read_table,
)
from stacks.machines.quota_needs import Need, needs
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.settings import parse_settings
from tests.support.google_machines import BOTH_DISKS, BY_FAMILY, HYPERDISK_ONLY, REGIONAL_METRICS, SIZES

# Cores of 8 vCPUs: "a vCPU is equivalent to an entire core" for T2D, T2A, N4A and C4A (cloud.google.com/compute/docs/
# machine-resource), and two threads a core for the others (the footnotes of general-purpose-machines).
CORES = {"t2d-standard-8": 8, "n4d-highcpu-8": 4, "c3d-standard-8": 4, "e2-custom-8-16384": 4, "c4-highcpu-8": 4}


@pytest.mark.parametrize(("machine_type", "size"), SIZES.items())
def test_a_type_has_the_size_of_googles_page(machine_type: str, size: tuple[int, float]):
    assert machine_resources(machine_type) == size


def test_every_series_is_held_against_googles_pages():
    assert {machine_series(machine_type).name for machine_type in SIZES} == {series.name for series in ALL_SERIES}


@pytest.mark.parametrize(("machine_type", "cores"), CORES.items())
def test_a_core_has_as_many_vcpus_as_threads(machine_type: str, cores: int):
    assert NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=1)).cores == cores


@pytest.mark.parametrize("series", ALL_SERIES, ids=lambda series: series.name)
def test_a_series_takes_the_boot_disks_of_googles_page(series):
    expected = ("hyperdisk-balanced",) if series.name in HYPERDISK_ONLY else ("pd-balanced",)
    assert series.boot_disks == (*expected, *(["hyperdisk-balanced"] if series.name in BOTH_DISKS else []))


def test_hyperdisk_declares_what_the_price_of_its_capacity_includes():
    """https://cloud.google.com/compute/docs/disks/hd-types/hyperdisk-balanced, Baseline performance."""
    disk = BOOT_DISKS["hyperdisk-balanced"]
    assert (disk.iops, disk.throughput_mib_s) == (3000, 140)


@pytest.mark.parametrize("series", ALL_SERIES, ids=lambda series: series.name)
def test_a_series_is_counted_by_a_quota_that_google_has(series):
    if series.name in BY_FAMILY:
        assert (series.cpu_quota, series.vm_family) == ("CPUS_PER_VM_FAMILY", BY_FAMILY[series.name])
    else:
        assert series.cpu_quota == f"{series.name.upper()}_CPUS"
        assert series.cpu_quota in REGIONAL_METRICS
        assert series.vm_family is None


def test_pools_of_two_series_are_counted_apart():
    serving = NodeShape.of("a", ShapeSettings(machine_type="n4d-highcpu-8", nodes=2))
    load = NodeShape.of("load", ShapeSettings(machine_type="e2-standard-4", nodes=1))
    counted = needs(serving, load)
    assert {
        Need("CPUS_PER_VM_FAMILY", "region", 16, "N4D"),
        Need("E2_CPUS", "region", 4),
        Need("HDB_TOTAL_GB", "region", 40),
        Need("SSD_TOTAL_GB", "region", 20),
        Need("CPUS", "region", 20),
    } <= set(counted)


def test_two_families_of_one_quota_are_two_needs():
    pools = [NodeShape.of("a", ShapeSettings(machine_type=name, nodes=1)) for name in ("c4-highcpu-8", "n4-highcpu-4")]
    assert {(need.vm_family, need.amount) for need in needs(*pools) if need.vm_family} == {("C4", 8), ("N4", 4)}


@pytest.mark.parametrize("machine_type", ["n2-custom-36-36864", "n2d-custom-16-32768", "n2-custom-2-1024"])
def test_series_with_custom_types_have_those_of_googles_helper(machine_type: str):
    """https://cloud.google.com/compute/docs/samples/compute-custom-machine-type-helper-class."""
    vcpus, memory_gb = machine_resources(machine_type)
    assert f"{machine_series(machine_type).name}-custom-{vcpus}-{memory_gb * 1024:.0f}" == machine_type


@given(
    series=st.sampled_from([each for each in ALL_SERIES if each.custom]),
    vcpus=st.integers(1, 99_999),
    memory_mib=st.integers(1, 999_999_999),
)
def test_what_was_meant_always_exists(series, vcpus, memory_mib):
    machine_resources(series.near(f"{series.name}-custom-{vcpus}-{memory_mib}"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('sku_name = "E2"', 'skuname = "E2"'), "skuname"),
        (("threads_per_core = 2", "threads_per_core = 3"), "threads_per_core"),
        (('boot_disks = ["pd-balanced"]', "boot_disks = []"), "boot_disks"),
        (('architecture = "arm64"', 'architecture = "arm"'), "architecture"),
        (("custom = { vcpus", "custom = { vcpu"), "vcpu"),
    ],
)
def test_a_table_with_a_wrong_key_or_value_is_refused(change: tuple[str, str], said: str):
    with pytest.raises(ValidationError, match=said):
        read_table(TABLE.read_text().replace(*change))


GKE: dict[str, Any] = {
    "platform": "gke",
    "serving": {"protocol": "rest", "interOp": 8},
    "load": {"profile": "seed"},
}
UNKNOWN = "is of no machine series that shapebench knows, so nothing could be sized or priced; use a type of e2, "
NO_SIZE = "that shapebench knows, so nothing could be sized or priced;"
NO_IMAGE = "and there is no server image for arm64, so no pod would start"
WRONG: list[tuple[dict[str, Any], str]] = [
    # no such series
    ({"machineType": "z9-standard-4"}, UNKNOWN),
    ({"machineType": "n1-standard-4"}, UNKNOWN),
    ({"machineType": "c9-standard-8"}, UNKNOWN),
    ({"machineType": "m5.large"}, UNKNOWN),
    ({"machineType": "N4D-highcpu-8"}, UNKNOWN),
    ({"machineType": "n4d"}, UNKNOWN),
    ({"machineType": "custom-4-8192"}, UNKNOWN),
    ({"machineType": "highcpu-8"}, UNKNOWN),
    ({"machineType": ""}, UNKNOWN),
    # no such size
    ({"machineType": "n4d-highcpu-6"}, "did you mean n4d-highcpu-4?"),
    ({"machineType": "n4d-highcpu-97"}, "did you mean n4d-highcpu-96?"),
    ({"machineType": "c3-highcpu-16"}, "did you mean c3-highcpu-22? c3-highcpu-<vCPUs> and c3-standard-<vCPUs>"),
    ({"machineType": "c4-higcpu-8"}, "did you mean c4-highcpu-8?"),
    ({"machineType": "c3d-highcpu-2"}, "did you mean c3d-highcpu-4?"),
    ({"machineType": "t2d-highcpu-8"}, "t2d-standard-<vCPUs> has 1, 2, 4, 8, 16, 32, 48, 60 vCPUs"),
    ({"machineType": "e2-medium"}, f"'e2-medium' is no machine type of E2 {NO_SIZE}"),
    ({"machineType": "c4d-standard-8-lssd"}, f"is no machine type of C4D {NO_SIZE}"),
    ({"machineType": "c3-standard-192-metal"}, f"is no machine type of C3 {NO_SIZE}"),
    ({"machineType": "n2-standard-"}, f"is no machine type of N2 {NO_SIZE}"),
    ({"machineType": "e2-custom-7-16384"}, "did you mean e2-custom-6-16384?"),
    ({"machineType": "e2-custom-8-16"}, "did you mean e2-custom-8-16384?"),
    ({"machineType": "n2-custom-34-65536"}, "did you mean n2-custom-32-65536?"),
    ({"machineType": "n2d-custom-6-8192"}, "did you mean n2d-custom-4-8192?"),
    ({"machineType": "n2d-custom-8-131072"}, "did you mean n2d-custom-8-65536?"),
    ({"machineType": "c4-custom-8-16384"}, f"is no machine type of C4 {NO_SIZE}"),
    ({"machineType": "n4-custom-8-16384"}, f"is no machine type of N4 {NO_SIZE}"),
    ({"machineType": "t2d-custom-8-16384"}, f"is no machine type of T2D {NO_SIZE}"),
    # no image
    ({"machineType": "n4a-highcpu-8"}, NO_IMAGE),
    ({"machineType": "c4a-standard-8"}, NO_IMAGE),
    ({"machineType": "t2a-standard-8"}, NO_IMAGE),
    # disks
    ({"machineType": "n4d-highcpu-8", "bootDisk": "pd-balanced"}, "N4D (n4d-highcpu-8) takes no such boot disk"),
    ({"machineType": "c4-highcpu-8", "bootDisk": "pd-ssd"}, "give hyperdisk-balanced, or leave it out"),
    ({"machineType": "e2-standard-4", "bootDisk": "hyperdisk-balanced"}, "give pd-balanced, or leave it out"),
    ({"machineType": "c3-highcpu-8", "bootDisk": "pd-standard"}, "give pd-balanced or hyperdisk-balanced, or leave"),
    ({"machineType": "c3-highcpu-8", "bootDisk": ""}, "bootDisk is '', but C3 (c3-highcpu-8) takes no such boot disk"),
    ({"machineType": "c3-highcpu-8", "bootDisk": 20}, "shapebench:shape.bootDisk is 20, which is not text"),
    # CPU platforms
    ({"machineType": "e2-standard-4", "minCpuPlatform": "AMD Rome"}, "E2 (e2-standard-4) does not offer"),
    ({"machineType": "n2-standard-4", "minCpuPlatform": "AMD Milan"}, "give Intel Cascade Lake or Intel Ice Lake"),
    ({"machineType": "n4d-highcpu-8", "minCpuPlatform": "AMD Turin"}, "so Google would refuse the nodes; leave it out"),
    ({"machineType": "c4-highcpu-8", "minCpuPlatform": "emerald"}, "Intel Emerald Rapids or Intel Granite Rapids"),
    # the rest of the section
    ({"machineType": "n4d-highcpu-8", "nodes": 0}, "shapebench:shape.nodes is 0, which is below 1"),
    ({"machineType": "n4d-highcpu-8", "spot": True}, "shapebench:shape.spot is not a setting"),
    ({"machineType": 8}, "shapebench:shape.machineType is 8, which is not text"),
]


def complaint(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(with_defaults(GKE | changes))
    return str(caught.value)


@pytest.mark.parametrize(("shape", "said"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_machine_is_one_error_that_names_what_is_wrong_and_the_fix(shape: dict[str, Any], said: str):
    message = complaint(shape={"nodes": 2} | shape)
    assert said in message
    assert message.startswith("shapebench:shape")
    assert message.count("\n") == 0


@pytest.mark.parametrize(
    ("machine_type", "said"),
    [("n4a-highcpu-8", NO_IMAGE), ("z9-standard-4", UNKNOWN), ("c4-highcpu-5", "did you mean c4-highcpu-4?")],
)
def test_so_is_a_wrong_load_node(machine_type: str, said: str):
    message = complaint(shape={"machineType": "n4d-highcpu-8", "nodes": 2}, gke={"loadMachineType": machine_type})
    assert message.startswith("shapebench:gke.loadMachineType")
    assert said in message
    assert message.count("\n") == 0


def test_a_disk_that_is_chosen_is_the_shapes_and_is_written_with_it():
    chosen = NodeShape.of("a", ShapeSettings(machine_type="c3-highcpu-8", nodes=1, boot_disk="hyperdisk-balanced"))
    usual = NodeShape.of("a", ShapeSettings(machine_type="c3-highcpu-8", nodes=1))
    assert (chosen.disk.name, usual.disk.name) == ("hyperdisk-balanced", "pd-balanced")
    assert NodeShape.model_validate_json(chosen.model_dump_json()) == chosen
    assert set(usual.model_dump()) == {"name", "machine_type", "vcpus", "memory_gb", "nodes"}


def test_an_unknown_type_names_the_file_to_add_it_to():
    with pytest.raises(UnknownMachineTypeError, match=r"e2-medium.*added in stacks/machines/machine_series\.toml"):
        machine_resources("e2-medium")
