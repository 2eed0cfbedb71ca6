"""`shapebench sweep` of two variants on a real node: two deployments, an answer, and nothing that is left."""

import os
from collections.abc import Iterator

import pytest
from kubernetes import client

from tests.engine.harness import CHECKOUT
from tests.engine.sweep.sweeping import NO_CHEAPEST, SMALL_STACK, Process, Sweeps
from tests.kubernetes.own_images import OwnImages
from tests.support.kubernetes.binaries import bin_folder
from tests.support.node.single_node import SingleNode

STACK, NAMESPACE = "on-a-node", "sweep-on-a-node"


@pytest.fixture(scope="module")
def sweeps(node: SingleNode, images: OwnImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeps]:
    config = SMALL_STACK | {
        "shapebench:platform": "kubernetes",
        "shapebench:kubernetes": images.settings(NAMESPACE),
    }
    environment = {"KUBECONFIG": str(node.kubeconfig), "PATH": f"{bin_folder(CHECKOUT)}:{os.environ['PATH']}"}
    with Sweeps(tmp_path_factory.mktemp("sweep") / "checkout", {STACK: config}, environment) as sweeps:
        yield sweeps


@pytest.fixture(scope="module")
def namespaces(api: client.ApiClient) -> set[str]:
    """Those of a cluster without a stack."""
    return {item.metadata.name for item in client.CoreV1Api(api).list_namespace().items}


@pytest.fixture(scope="module")
def ended(sweeps: Sweeps, namespaces: set[str]) -> Process:
    sweep = sweeps.start_new([STACK], inter_op=[1, 2])
    sweep.exit_code(within_s=400)
    return sweep


def test_a_sweep_on_a_node_ends_in_an_answer(ended: Process) -> None:
    assert ended.exit_code() == 3, ended.output
    *_, answer, took, report = ended.output.splitlines()
    assert answer == NO_CHEAPEST
    assert took.startswith("2 runs of 2 candidates in ")
    assert report.startswith("Report: ")


def test_each_variant_has_a_run_on_a_deployment_of_its_own(sweeps: Sweeps, ended: Process) -> None:
    runs = sweeps.valid_runs()
    assert sorted(run.serving.inter_op for run in runs) == [1, 2]
    deployments = {run.deployment for run in runs}
    assert len(deployments) == 2
    assert None not in deployments
    assert {record.measured.run_id for record in sweeps.records() if record.measured} == {run.run_id for run in runs}


def test_nothing_of_a_sweep_is_left_on_the_node(api: client.ApiClient, namespaces: set[str], ended: Process) -> None:
    core = client.CoreV1Api(api)
    assert {item.metadata.name for item in core.list_namespace().items} == namespaces
    assert core.list_pod_for_all_namespaces().items == []
