"""Three models of a user's own in containers on a real node. They are in the server's image, as ResNet50 is.

Each model is measured over both protocols and with both kinds of requests, but not with each pair of them: PAIRWISE.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.results.run.counters import requests_by_replica
from analysis.results.storage.store import ResultsStore
from tests.engine.harness import SMOKE, Stack, stack_in_cluster
from tests.engine.measured_models import PAIRWISE, Case, measured
from tests.kubernetes.own_images import OwnImages
from tests.support.node.single_node import SingleNode

NAMESPACE = "models-on-a-node"
# The embedded server has the recommender's 520 MB several times while it loads them.
MEMORY_MIB = 4096


@pytest.fixture(scope="module")
def stack(node: SingleNode, images: OwnImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings, folder = images.settings(NAMESPACE, memory_mib=MEMORY_MIB), tmp_path_factory.mktemp("stack")
    with stack_in_cluster("models", folder, node.kubeconfig, settings, SMOKE) as stack:
        yield stack


@pytest.mark.parametrize("case", PAIRWISE, ids="-".join)
def test_each_model_is_measured_on_a_node(stack: Stack, models: Path, images: OwnImages, case: Case) -> None:
    stack.config["kubernetes"] = images.settings(NAMESPACE, case.model, MEMORY_MIB)
    run, rows = measured(stack, models, case)
    assert rows["ok"].all(), rows["error"].value_counts()
    (counted,) = requests_by_replica(ResultsStore(str(stack.results)).samples(run)).values()
    assert counted == len(rows)
