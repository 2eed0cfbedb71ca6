"""A server on a real node that has no way to its bucket: what its init container says is what `pulumi up` says.

The node has no metadata server, which is one of the reasons. The others: tests/engine/gke/test_model_access.py.
"""

import time
from collections.abc import Iterator

import pytest
from kubernetes import client

from stacks.names import SERVER_LABELS
from tests.engine.harness import SMOKE, Stack
from tests.kubernetes.own_images import OwnImages
from tests.support.kubernetes.binaries import bin_folder
from tests.support.node.single_node import SingleNode
from tools.pins import ROOT

NAMESPACE = "without-access"


@pytest.fixture(scope="module")
def stack(node: SingleNode, images: OwnImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack("without-access", tmp_path_factory.mktemp("stack"))
    stack.programs = [bin_folder(ROOT)]
    stack.variables = {"KUBECONFIG": str(node.kubeconfig)}
    stack.config = {
        "platform": "kubernetes",
        "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
        "serving": {"protocol": "rest", "interOp": 2},
        "load": SMOKE,
        "model": {"weights": "random"},
        "results": str(stack.results),
        "kubernetes": {
            "namespace": NAMESPACE,
            "servingImage": images.server.name,
            "generatorImage": images.generator.name,
            "modelUri": "gs://nowhere/{digest}/resnet",
            "pod": {"cpuMillis": 600, "memoryMib": 1024},
        },
    }
    stack.init()
    yield stack
    stack.run("cancel", "--yes")
    stack.run("destroy", "--yes", "--skip-preview")


def test_an_update_fails_in_four_minutes_with_the_last_words_of_the_init_container(
    stack: Stack, api: client.ApiClient
) -> None:
    began = time.monotonic()
    failed = stack.up()
    took_s = time.monotonic() - began
    print(f"up without access failed after {took_s:.0f} s")
    assert failed.returncode != 0
    assert took_s < 240
    assert "its container model-access ended with exit code 1" in failed.stdout
    assert "after 180 s the model still cannot be read, so the server was not started" in failed.stdout
    assert "the metadata server does not answer" in failed.stdout
    assert "run `pulumi up` again" in failed.stdout
    (pod,) = (
        client.CoreV1Api(api)
        .list_namespaced_pod(
            NAMESPACE, label_selector=",".join(f"{name}={value}" for name, value in SERVER_LABELS.items())
        )
        .items
    )
    (server,) = pod.status.container_statuses
    assert server.state.running is None
    assert stack.runs() == []
