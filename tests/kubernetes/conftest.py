"""One real node for all tests of this tier, with images of our own; it ends with them.

Where none can run, every test says why.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from tests.engine.measured_models import save_models
from tests.kubernetes.own_images import OwnImages, packed
from tests.support.node.obstacles import why_no_node_can_run
from tests.support.node.single_node import SingleNode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    obstacle = why_no_node_can_run() if ours else None
    for item in ours:
        item.add_marker(pytest.mark.kubernetes)
        if obstacle is not None:
            item.add_marker(pytest.mark.skip(reason=f"no node can run here: {obstacle}"))


@pytest.fixture(scope="session")
def node() -> Iterator[SingleNode]:
    with SingleNode() as node:
        yield node


@pytest.fixture(scope="session")
def api(node: SingleNode) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(node.kubeconfig)) as api:
        yield api


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def images(node: SingleNode, models: Path) -> OwnImages:
    """On the node, under names of their own."""
    images = packed(models)
    node.import_images((images.server, images.openvino, images.generator))
    return images
