"""Node pools of every machine series: what they declare of disks and CPUs, and what a stack is checked for."""

import pytest

from tests.support.google_machines import DAY, HYPERDISK_ONLY
from tests.unit.components.gke.gke_program import record_gke, settings_with
from tests.unit.components.recorder import Registration

# The two ways in which a pool declares its disk: terraform-provider-google, google_container_node_pool, `boot_disk`.
PERSISTENT_DISK = {"diskSizeGb": 20, "diskType": "pd-balanced"}
HYPERDISK = {
    "bootDisk": {"diskType": "hyperdisk-balanced", "provisionedIops": 3000, "provisionedThroughput": 140, "sizeGb": 20}
}
DISKS = {
    f"{series}-standard-8": HYPERDISK if series in HYPERDISK_ONLY else PERSISTENT_DISK
    for series in sorted({machine_type.split("-")[0] for machine_type, _ in DAY})
}


def pools(shape: dict[str, object], **gke: object) -> dict[str, Registration]:
    recording = record_gke(settings_with(shape={"nodes": 2} | shape, gke=gke or None))
    found = recording.of("nodePool:NodePool")
    return {"load" if "load" in pool.name else "serving": pool for pool in found}


def disk_of(pool: Registration) -> dict[str, object]:
    config = pool.inputs["nodeConfig"]
    return {key: config[key] for key in ("diskSizeGb", "diskType", "bootDisk") if key in config}


@pytest.mark.parametrize(("machine_type", "disk"), DISKS.items())
def test_serving_nodes_have_the_disk_that_their_series_takes(machine_type, disk):
    found = pools({"machineType": machine_type})
    assert found["serving"].inputs["nodeConfig"]["machineType"] == machine_type
    assert disk_of(found["serving"]) == disk
    assert disk_of(found["load"]) == PERSISTENT_DISK
    assert "minCpuPlatform" not in found["serving"].inputs["nodeConfig"]


def test_the_load_node_may_be_of_another_series():
    found = pools({"machineType": "t2d-standard-8"}, loadMachineType="n4-highcpu-4")
    assert (disk_of(found["serving"]), disk_of(found["load"])) == (PERSISTENT_DISK, HYPERDISK)


def test_a_disk_and_a_cpu_platform_that_are_chosen_are_declared_for_the_serving_nodes_alone():
    found = pools({"machineType": "c3-highcpu-8", "bootDisk": "hyperdisk-balanced"})
    assert (disk_of(found["serving"]), disk_of(found["load"])) == (HYPERDISK, PERSISTENT_DISK)
    found = pools({"machineType": "n2-highcpu-8", "minCpuPlatform": "Intel Ice Lake"})
    assert found["serving"].inputs["nodeConfig"]["minCpuPlatform"] == "Intel Ice Lake"
    assert "minCpuPlatform" not in found["load"].inputs["nodeConfig"]
