"""Three models of a user's own on the stack `kubernetes`, whose pods are processes, the servers too.

Each model is measured over both protocols and with both kinds of requests, but not with each pair of them: PAIRWISE.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from stacks.names import GRPC_PORT, GRPC_SERVICE, REST_PORT, REST_SERVICE
from stacks.server.servers import EMBEDDED
from stacks.version import VERSION
from tests.engine.harness import SMOKE, Stack, stack_in_cluster
from tests.engine.load.process_kubelet import ProcessKubelet
from tests.engine.measured_models import PAIRWISE, Case, exports, measured, save_models
from tests.engine.process_pods import ProcessPods
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.pod_processes import new_address
from tests.support.wrong_byte import wrong_byte

NAMESPACE = "models"
SERVICES = [f"{service}.{NAMESPACE}.svc" for service in (REST_SERVICE, GRPC_SERVICE)]
# In the text model's answers, and the same bytes over both protocols.
LABEL = re.compile(rb"long|short")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def address(api: client.ApiClient, pods: ProcessPods) -> Iterator[str]:
    """The server's, on a node whose servers run."""
    pods.serves_at = new_address()
    # What the cluster's DNS would do.
    pods.names |= dict.fromkeys(SERVICES, pods.serves_at)
    with ProcessKubelet(api, pods):
        yield pods.serves_at
    pods.serves_at = None


@pytest.fixture(scope="module")
def stack(
    control_plane: ControlPlane, address: str, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    in_image = tmp_path_factory.mktemp("image")
    for export in exports(models):
        (in_image / export["digest"]).symlink_to(export["path"])
    settings = {
        "namespace": NAMESPACE,
        "servingImage": f"localhost/{EMBEDDED.name}:{VERSION}",
        "modelUri": f"{in_image}/{{digest}}",
        "pod": {"cpuMillis": 500, "memoryMib": 2048},
    }
    folder = tmp_path_factory.mktemp("stack")
    with stack_in_cluster("models", folder, control_plane.kubeconfig, settings, SMOKE) as stack:
        yield stack


@pytest.mark.parametrize("case", PAIRWISE, ids="-".join)
def test_each_model_is_measured_in_a_cluster(stack: Stack, models: Path, case: Case) -> None:
    _, rows = measured(stack, models, case)
    assert rows["ok"].all(), rows["error"].value_counts()


@pytest.mark.parametrize("case", [Case("text", "rest", "generated"), Case("text", "grpc", "recorded")], ids="-".join)
def test_one_wrong_byte_in_an_answer_is_one_wrong_answer(
    stack: Stack, models: Path, pods: ProcessPods, address: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = new_address()
    for service in SERVICES:
        monkeypatch.setitem(pods.names, service, at)
    with wrong_byte(address, [REST_PORT, GRPC_PORT], LABEL, number=20, at=at):
        _, rows = measured(stack, models, case)
    assert rows["error"].dropna().tolist() == ["wrong_answer"]
    assert (~rows["ok"]).sum() == 1
