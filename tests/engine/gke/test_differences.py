"""What Google adds to a cluster and a pool is no difference, and what somebody changed in them is one."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.gcp_stand_in.memory import VARIABLE, Memory
from tests.engine.gke.world import STAND_IN
from tests.engine.harness import CHECKOUT, Stack

PROGRAM = """
import json, sys
import pulumi
sys.path.insert(0, CHECKOUT)
from components.gke import control_plane
from components.gke.network import Network, NetworkArgs
from components.gke.node_pool import PoolArgs, make_pool
from stacks.files import project_defaults
from stacks.machines.gke import GkeSettings
from stacks.machines.shapes import NodeShape, ShapeSettings

config = pulumi.Config()
if config.get_bool("ignoreOnlyOldFields"):
    of_the_default_pool = ["initialNodeCount", "minMasterVersion", "nodeConfig", "nodePools", "nodeVersion"]
    control_plane._CHANGED_BY_GKE[:] = of_the_default_pool
settings = GkeSettings.model_validate(project_defaults()["gke"] | json.loads(config.require("gke")))
shape = NodeShape.of("serving", ShapeSettings(machine_type="e2-custom-2-4096", nodes=2))
labels = {"shapebench-stack": "differences"}
args = control_plane.GkeClusterArgs(
    zone="us-central1-a", network=Network("network", NetworkArgs(region="us-central1", labels=labels)), labels=labels,
    no_upgrades_from="2026-11-26T00:00:00Z", no_upgrades_until="2026-11-27T00:00:00Z", shape=shape, load_shape=shape,
    settings=settings,
)
account = "nodes@p.iam.gserviceaccount.com"
cluster = control_plane.make_control_plane("cluster", args, account, pulumi.ResourceOptions())
make_pool("pool", cluster, PoolArgs("serving", shape, account, labels), pulumi.ResourceOptions())
"""
CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
SETTINGS: dict[str, dict[str, Any]] = {
    "options-off": {"costAllocation": False, "managedPrometheus": False, "binaryAuthorization": False},
    "options-on": {"costAllocation": True, "managedPrometheus": True, "binaryAuthorization": True},
}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("google"))


@pytest.fixture(scope="module", params=SETTINGS)
def stack(memory: Memory, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    home: Path = tmp_path_factory.mktemp("differences")
    (home / "__main__.py").write_text(PROGRAM.replace("CHECKOUT", repr(str(CHECKOUT))))
    options = f"{{toolchain: pip, virtualenv: {CHECKOUT}/.venv}}"
    (home / "Pulumi.yaml").write_text(f"name: differences\nruntime: {{name: python, options: {options}}}\n")
    stack = Stack(request.param, home / "backend", project=home, programs=[STAND_IN])
    stack.variables = {VARIABLE: str(memory.folder)}
    stack.providers_config = {"gcp:project": "p", "gcp:zone": "us-central1-a", "gcp:accessToken": "of-the-tests"}
    stack.providers_config["differences:gke"] = json.dumps(SETTINGS[request.param])
    stack.home.mkdir()
    stack.init()
    stack.must_up()
    yield stack
    stack.must("destroy", "--yes", "--skip-preview")
    with memory.resources() as resources:
        assert resources == {}


@contextmanager
def changed_in_google_cloud(memory: Memory, changes: dict[tuple[str, str], Any]) -> Iterator[None]:
    """Other values of some fields, by kind and path, not by the program, for as long as the context lasts."""
    with memory.resources() as resources:
        before = copy.deepcopy(resources)
        for (kind, path), value in changes.items():
            (block,) = [resource["properties"] for resource in resources.values() if resource["type"] == kind]
            *parents, name = path.split(".")
            for parent in parents:
                block = block[parent]
            block[name] = value
    try:
        yield
    finally:
        with memory.resources() as resources:
            resources.update(before)


def different(memory: Memory, before: int) -> set[str]:
    """The paths of all fields that the stand-in found different since that operation."""
    found = [line["paths"] for line in memory.operations()[before:] if line["operation"] == "diff"]
    return {path for paths in found for path in paths}


def test_a_second_update_changes_nothing_in_google_cloud(stack: Stack, memory: Memory):
    before = len(memory.operations())
    stack.must_up()
    stack.must("refresh", "--yes", "--expect-no-changes")
    stack.must("preview", "--refresh", "--expect-no-changes")
    made = [line for line in memory.operations()[before:] if line["operation"] in {"create", "update", "delete"}]
    assert made == []


def test_with_only_the_fields_of_the_default_pool_ignored_every_preview_has_a_difference(stack: Stack, memory: Memory):
    stack.providers_config["differences:ignoreOnlyOldFields"] = "true"
    before = len(memory.operations())
    shown = stack.run("preview", "--refresh", "--expect-no-changes")
    del stack.providers_config["differences:ignoreOnlyOldFields"]
    assert shown.returncode != 0
    # The provider itself found the same one field: docs/google-cloud-facts.md.
    assert different(memory, before) == {"privateClusterConfig.enablePrivateEndpoint"}


def test_what_gke_may_add_to_a_cluster_is_no_difference(stack: Stack, memory: Memory):
    added = {
        (CLUSTER, "dataplaneOptimizationMode"): "SCALABILITY_MODE_UNSPECIFIED",
        (CLUSTER, "maintenancePolicy.disruptionBudget"): {"lastMinorVersionDisruptionTime": "2026-11-26T12:00:00Z"},
        (CLUSTER, "masterVersion"): "1.35.1-gke.1",
        (CLUSTER, "nodeVersion"): "1.35.1-gke.1",
    }
    with changed_in_google_cloud(memory, added):
        stack.must("preview", "--refresh", "--expect-no-changes")


def test_what_somebody_changed_is_a_difference(stack: Stack, memory: Memory):
    changes = {
        (CLUSTER, "privateClusterConfig.enablePrivateNodes"): False,
        (CLUSTER, "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic"): False,
        (CLUSTER, "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled"): True,
        (CLUSTER, "maintenancePolicy.maintenanceExclusions"): [],
        (CLUSTER, "binaryAuthorization.evaluationMode"): "SOMETHING_ELSE",
        (POOL, "nodeCount"): 3,
        (POOL, "nodeConfig.kubeletConfig.cpuCfsQuota"): False,
    }
    with changed_in_google_cloud(memory, changes):
        before = len(memory.operations())
        shown = stack.run("preview", "--refresh", "--expect-no-changes")
    assert shown.returncode != 0
    assert different(memory, before) == {path for _, path in changes}
