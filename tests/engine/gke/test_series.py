"""A node pool of every machine series: the engine previews and makes it with what its series takes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stacks.machines.machine_series import ALL_SERIES
from tests.engine.gcp_stand_in.memory import VARIABLE, Memory
from tests.engine.gke.world import STAND_IN
from tests.engine.harness import CHECKOUT, Stack

PROGRAM = """
import json, sys
import pulumi
sys.path.insert(0, CHECKOUT)
from components.gke.control_plane import GkeClusterArgs, make_control_plane
from components.gke.network import Network, NetworkArgs
from components.gke.node_pool import PoolArgs, make_pool
from stacks.files import project_defaults
from stacks.machines.gke import GkeSettings
from stacks.machines.shapes import NodeShape, ShapeSettings

shapes = json.loads(pulumi.Config().require("shapes"))
labels = {"shapebench-stack": "series"}
account = "nodes@p.iam.gserviceaccount.com"
pools = [NodeShape.of(name, ShapeSettings.model_validate(shape)) for name, shape in shapes.items()]
args = GkeClusterArgs(
    zone="us-central1-a", network=Network("network", NetworkArgs(region="us-central1", labels=labels)), labels=labels,
    no_upgrades_from="2026-11-26T00:00:00Z", no_upgrades_until="2026-11-27T00:00:00Z", shape=pools[0],
    load_shape=pools[0], settings=GkeSettings.model_validate(project_defaults()["gke"]),
)
cluster = make_control_plane("cluster", args, account, pulumi.ResourceOptions())
before = []
for shape in pools:
    # GKE takes one operation at a time.
    opts = pulumi.ResourceOptions(depends_on=before)
    before = [make_pool(shape.name, cluster, PoolArgs("serving", shape, account, labels), opts)]
"""
POOL = "gcp:container/nodePool:NodePool"
SHAPES = {
    **{
        series.name: {"machineType": f"{series.name}-standard-8", "nodes": 2}
        for series in ALL_SERIES
        if series.architecture == "amd64"
    },
    "c3-hyperdisk": {"machineType": "c3-highcpu-8", "nodes": 1, "bootDisk": "hyperdisk-balanced"},
    "n2-ice-lake": {"machineType": "n2-highcpu-8", "nodes": 1, "minCpuPlatform": "Intel Ice Lake"},
}
# Series that take no Persistent Disk: cloud.google.com/compute/docs/general-purpose-machines.
HYPERDISK = {"n4", "n4d", "c4", "c4d", "c3-hyperdisk"}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("google"))


@pytest.fixture(scope="module")
def stack(memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home: Path = tmp_path_factory.mktemp("series")
    (home / "__main__.py").write_text(PROGRAM.replace("CHECKOUT", repr(str(CHECKOUT))))
    options = f"{{toolchain: pip, virtualenv: {CHECKOUT}/.venv}}"
    (home / "Pulumi.yaml").write_text(f"name: series\nruntime: {{name: python, options: {options}}}\n")
    stack = Stack("series", home / "backend", project=home, programs=[STAND_IN])
    stack.variables = {VARIABLE: str(memory.folder)}
    stack.providers_config = {"gcp:project": "p", "gcp:zone": "us-central1-a", "gcp:accessToken": "of-the-tests"}
    stack.providers_config["series:shapes"] = json.dumps(SHAPES)
    stack.home.mkdir()
    stack.init()
    yield stack
    stack.must("destroy", "--yes", "--skip-preview")


def test_a_preview_shows_a_pool_of_every_series_and_makes_nothing(stack: Stack, memory: Memory):
    shown = re.sub(r" *: ", ": ", stack.must("preview", "--diff"))
    for shape in SHAPES.values():
        assert f'machineType: "{shape["machineType"]}"' in shown
    assert shown.count("provisionedIops: 3000") == len(HYPERDISK)
    assert shown.count("provisionedThroughput: 140") == len(HYPERDISK)
    assert shown.count('minCpuPlatform: "Intel Ice Lake"') == 1
    assert not {"create", "update"} & {line["operation"] for line in memory.operations()}


def test_an_update_makes_each_with_the_disk_that_its_series_takes(stack: Stack, memory: Memory):
    stack.must_up()
    with memory.resources() as resources:
        pools = [resource["inputs"] for resource in resources.values() if resource["type"] == POOL]
    disks = {pool["nodeConfig"]["machineType"]: pool["nodeConfig"].get("bootDisk") for pool in pools}
    assert disks == {
        shape["machineType"]: (
            {"diskType": "hyperdisk-balanced", "provisionedIops": 3000, "provisionedThroughput": 140, "sizeGb": 20}
            if name in HYPERDISK
            else None
        )
        for name, shape in SHAPES.items()
    }
