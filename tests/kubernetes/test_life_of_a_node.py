"""A node as a program: up from the shell, and gone with whoever started it, together with all that ran in it."""

import os
import signal
from pathlib import Path

import pytest
from kubernetes import client, config

from tests.engine.harness import eventually, started_cluster
from tests.kubernetes.traces import cables, control_groups, mounts_below, network_of, processes_of
from tests.support.node import cgroups
from tests.support.node.configuration import SANDBOX_IMAGE
from tests.support.node.single_node import SingleNode
from tools.console import SetupError

PROGRAMS = {"containerd", "kubelet", "kube-proxy", "coredns", "etcd", "kube-apiserver", "kube-scheduler"}


@pytest.fixture
def started(tmp_path: Path):
    folder = tmp_path / "node"
    with started_cluster("tests.support.node", folder) as process:
        yield process, folder


def run_a_pod(folder: Path) -> None:
    """Returns when it runs."""
    with config.new_client_from_config(str(folder / "control-plane/admin.kubeconfig")) as api:
        core = client.CoreV1Api(api)
        container = {"name": "waits", "image": SANDBOX_IMAGE, "imagePullPolicy": "Never"}
        core.create_namespaced_pod("default", {"metadata": {"name": "waits"}, "spec": {"containers": [container]}})
        eventually(
            lambda: core.read_namespaced_pod("waits", "default").status.phase == "Running", "the pod runs", within_s=60
        )


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_it_is_left_however_its_starter_ends(started, end: signal.Signals):
    process, folder = started
    run_a_pod(folder)
    network, laid = network_of(process.pid), cables()
    running = processes_of(process.pid, network)
    assert running >= PROGRAMS | {"pause"}, running
    assert mounts_below(folder) == []
    os.kill(process.pid, end)
    process.wait(timeout=30)
    eventually(lambda: not processes_of(process.pid, network), "nothing of the node runs", within_s=20)
    eventually(lambda: len(cables()) < len(laid), "its cable is gone", within_s=20)
    if end == signal.SIGKILL:
        # What no kernel removes by itself, the next node does.
        cgroups.remove_abandoned()
    assert control_groups(process.pid) == []


def test_a_second_node_in_the_same_folder_is_refused_while_the_first_runs(node: SingleNode):
    with pytest.raises(SetupError, match="another node runs in"), SingleNode(node.folder):
        pass
    assert node.kubeconfig.exists()


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="something else"), SingleNode(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()
