"""The manifests of a fleet on a real node: its pod starts, and answers at the name of its Service."""

from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic
from kubernetes.stream import stream
from typer.testing import CliRunner

from analysis.results.schema.manifest import Model
from analysis.results.storage.store import ResultsStore
from shapebench.cli import app
from stacks.version import VERSION
from tests.engine.harness import eventually
from tests.kubernetes.own_images import OwnImages
from tests.support.images.python import PYTHON
from tests.support.kubernetes.apply import applied
from tests.support.production import write_search

NAMESPACE = "production"
ASKS = "import urllib.request; print(urllib.request.urlopen('http://photos:8501/v1/models/resnet').read().decode())"


def write_store(folder: Path, images: OwnImages) -> str:
    """A search on a machine whose pods fit on the node of the tests."""
    store = ResultsStore(str(folder))
    serving = {
        "server": "shapebench-embedded",
        "server_version": VERSION,
        "image": images.server.name,
        "model": Model(name="resnet", digest=f"sha256:{images.resnet_digest}", weights="random"),
        "intra_op": 2,
    }
    shape: dict[str, Any] = {"stack": "lab", "machine_type": "e2-standard-2", "nodes": 1, "platform": "kubernetes"}
    write_search(store, 20, cores=1.5, serving=serving, **shape)
    return store.uri


def test_the_fleet_starts_and_answers(api: client.ApiClient, images: OwnImages, tmp_path: Path) -> None:
    model = f"/models/{images.resnet_digest}/resnet"
    options = ("--peak", "60", "--night", "1", "--p99", "500ms", "--model", model, "--results")
    where = ("--name", "photos", "--namespace", NAMESPACE, "--out", str(tmp_path / "out"))
    result = CliRunner().invoke(app, ("manifests", *options, write_store(tmp_path / "store", images), *where))
    assert result.exit_code == 0, result.output
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    core.create_namespace(
        {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    try:
        cluster = dynamic.DynamicClient(api)
        for file in sorted((tmp_path / "out").iterdir()):
            for made in yaml.safe_load_all(file.read_text()):
                applied(cluster, made)

        def serves() -> bool:
            return bool(apps.read_namespaced_deployment("photos", NAMESPACE).status.available_replicas)

        eventually(serves, "a pod of the fleet is available", within_s=240)
        [pod] = core.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/instance=photos").items
        command = [str(PYTHON), "-c", ASKS]
        said = stream(
            core.connect_get_namespaced_pod_exec, pod.metadata.name, NAMESPACE, command=command, stderr=True,
            stdin=False, stdout=True, tty=False,
        )  # fmt: skip
        assert '"AVAILABLE"' in said, said
        scaler = client.AutoscalingV2Api(api).read_namespaced_horizontal_pod_autoscaler("photos", NAMESPACE)
        assert scaler.spec.scale_target_ref.name == "photos"
    finally:
        core.delete_namespace(NAMESPACE)
        # The next module counts what runs on the node, and a pod that ends answers for a while.
        eventually(lambda: not _is_there(core), "the namespace and its pods are gone", within_s=120)


def _is_there(core: client.CoreV1Api) -> bool:
    return NAMESPACE in [item.metadata.name for item in core.list_namespace().items]
