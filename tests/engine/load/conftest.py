"""One node whose pods are processes, and a namespace with what a load test needs."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from loadtest.run import pod
from loadtest.run.payload import payload_of
from provider.local.server_process import listening_process
from stacks.names import SERVER_LABELS
from stacks.server.models import RESNET50
from tests.engine.harness import eventually
from tests.engine.load.process_kubelet import NODE, ProcessKubelet
from tests.engine.process_pods import ProcessPods
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.load_test_inputs import cluster_load_test_inputs
from tests.support.pod_processes import ServerProcess

NAMESPACE = "load-tests"


@pytest.fixture(scope="module")
def kubelet(
    api: client.ApiClient, pods: ProcessPods, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProcessKubelet]:
    core = client.CoreV1Api(api)
    server = listening_process(server_url)
    assert server
    pods.server = ServerProcess(server.pid, tmp_path_factory.mktemp("cgroup"))
    with ProcessKubelet(api, pods) as kubelet:
        _declare(core)
        yield kubelet
        core.delete_namespace(NAMESPACE)
        eventually(lambda: not _is_there(core), "the namespace is gone")


def _is_there(core: client.CoreV1Api) -> bool:
    return NAMESPACE in [item.metadata.name for item in core.list_namespace().items]


def _declare(core: client.CoreV1Api) -> None:
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    core.create_namespace({"metadata": {"name": NAMESPACE, "labels": levels}})
    core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": "account-1"}})
    core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "scripts-1"}, "data": pod.scripts()})
    parts = pod.payload_parts(payload_of(RESNET50).to_bytes())
    payload = {key: base64.b64encode(part).decode() for key, part in parts.items()}
    core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "payload-1"}, "binaryData": payload})
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "tf-serving", "image": "tensorflow/serving:2.20.0", "securityContext": security}
    spec = {
        "nodeName": NODE,
        "serviceAccountName": "account-1",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "tf-serving-0", "labels": SERVER_LABELS}, "spec": spec})


@pytest.fixture
def inputs(server_url: str, kubelet: ProcessKubelet, control_plane: ControlPlane, tmp_path: Path) -> dict[str, Any]:
    """The inputs of a load test in a cluster."""
    kubeconfig = control_plane.kubeconfig.read_text()
    inputs = cluster_load_test_inputs(tmp_path, server_url, NAMESPACE, SERVER_LABELS, kubeconfig)
    inputs["profile"]["duration_s"] = 3.0
    return inputs
