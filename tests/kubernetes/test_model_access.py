"""A server on a real node that has no way to its bucket: what its init container says is what `pulumi up` says.

The node has no metadata server, which is one of the reasons. The others: tests/engine/gke/test_model_access.py.
"""

from collections.abc import Iterator

import pytest
from kubernetes import client

from stacks.names import SERVER_LABELS
from tests.engine.harness import SMOKE, Stack, stack_in_cluster, update_without_access
from tests.kubernetes.own_images import OwnImages
from tests.support.node.single_node import SingleNode

NAMESPACE = "without-access"


@pytest.fixture(scope="module")
def stack(node: SingleNode, images: OwnImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "namespace": NAMESPACE,
        "servingImage": images.server.name,
        "generatorImage": images.generator.name,
        "modelUri": "gs://nowhere/{digest}/resnet",
        "pod": {"cpuMillis": 600, "memoryMib": 1024},
    }
    folder = tmp_path_factory.mktemp("stack")
    with stack_in_cluster("without-access", folder, node.kubeconfig, settings, SMOKE) as stack:
        yield stack


def test_an_update_fails_in_four_minutes_with_the_last_words_of_the_init_container(
    stack: Stack, api: client.ApiClient
) -> None:
    failed = update_without_access(stack)
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
