"""Another server in the place of the one that runs, on a real node: the namespace and its Services stay, pods do not.

The Deployment is another one, so that no run measures a mix of two servers (ADR 21).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from stacks.server.servers import EMBEDDED, OPENVINO
from tests.engine.harness import SMOKE, Stack, stack_in_cluster
from tests.engine.measured_models import Case, measured
from tests.kubernetes.own_images import OwnImages
from tests.support.images.archive import Image
from tests.support.node.single_node import SingleNode

NAMESPACE = "servers-roll-over"


@pytest.fixture(scope="module")
def stack(node: SingleNode, images: OwnImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings, folder = images.settings(NAMESPACE, "table"), tmp_path_factory.mktemp("stack")
    with stack_in_cluster("servers", folder, node.kubeconfig, settings, SMOKE) as stack:
        yield stack


def ids(api: client.ApiClient) -> tuple[set[str], set[str]]:
    """The ids of the namespace and its Services, and those of the pods."""
    core = client.CoreV1Api(api)
    kept = [core.read_namespace(NAMESPACE), *core.list_namespaced_service(NAMESPACE).items]
    return {resource.metadata.uid for resource in kept}, {
        item.metadata.uid for item in core.list_namespaced_pod(NAMESPACE).items
    }


def test_a_server_takes_the_place_of_another_and_gives_it_back(
    api: client.ApiClient, stack: Stack, models: Path, images: OwnImages
) -> None:
    seen: list[str] = []
    kept: set[str] = set()
    order: list[tuple[Image, str]] = [(images.server, "rest"), (images.openvino, "v2-grpc"), (images.server, "rest")]
    for image, protocol in order:
        stack.config["kubernetes"] |= {"servingImage": image.name}
        run, rows = measured(stack, models, Case("table", protocol, "generated"))
        assert rows["ok"].all(), rows["error"].value_counts()
        seen.append(run.serving.server)
        these, pods = ids(api)
        kept = kept or these
        assert these == kept
        assert len(pods) == 1
    assert seen == [EMBEDDED.name, OPENVINO.name, EMBEDDED.name]
