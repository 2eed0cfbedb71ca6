"""A stack of its own for each test module: a backend on disk, ports that are free, a short load.

For tests with a cluster: one Kubernetes control plane, pods that are processes, and a server that they can ask.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from bench.servers.processes import free_port
from bench.servers.queue_server import QueueSettings, queue_server
from tests.engine.harness import SMOKE, Stack, servers_on
from tests.engine.process_pods import ProcessPods, process_pods
from tests.support.kubernetes.binaries import kubernetes_is_installed
from tests.support.kubernetes.control_plane import ControlPlane
from tools.pins import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    home = tmp_path_factory.mktemp(name)
    stack = Stack(name, home)
    stack.config = {
        "platform": "local",
        "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
        "serving": {"protocol": "rest", "interOp": 2},
        "load": SMOKE,
        "model": {"weights": "random"},
        "local": {"server": "embedded", "restPort": free_port(), "grpcPort": free_port()},
        "results": str(stack.results),
    }
    stack.init()
    yield stack
    stack.run("cancel", "--yes")
    stack.run("destroy", "--yes", "--skip-preview")
    for process in servers_on(stack.config["local"]["restPort"]):
        os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if not kubernetes_is_installed(ROOT):
        pytest.fail("Kubernetes' servers are missing or outdated; run `make setup-kubernetes`")
    with ControlPlane(tmp_path_factory.mktemp("control-plane") / "data") as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(control_plane.kubeconfig)) as api:
        yield api


@pytest.fixture(scope="session")
def pods(api: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPods]:
    with process_pods(api, tmp_path_factory.mktemp("pods")) as pods:
        yield pods


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server that answers every prediction rightly, after 50 ms.

    Of answers that come at once, this machine's other work would be half the latency, and a run would not settle.
    """
    with queue_server(QueueSettings(workers=64, service_s=0.05)) as server:
        yield server.url
