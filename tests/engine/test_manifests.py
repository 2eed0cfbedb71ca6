"""A real API server takes the manifests of a fleet, strictly: an unknown or doubled field is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client, dynamic
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
from typer.testing import CliRunner

from shapebench.cli import app
from tests.engine.harness import eventually
from tests.support.kubernetes.apply import applied
from tests.support.kubernetes.compute_class import DEFINITION
from tests.support.production import production_store

NAMESPACE = "production"
DAY = ("--peak", "100", "--night", "10", "--p99", "500ms", "--zones", "2")


@pytest.fixture(scope="module")
def cluster(api: client.ApiClient) -> Iterator[dynamic.DynamicClient]:
    """With the definition of ComputeClass, as GKE has it, and a namespace that warns as the strictest level does."""
    core, extensions = client.CoreV1Api(api), client.ApiextensionsV1Api(api)
    core.create_namespace(
        {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    extensions.create_custom_resource_definition(DEFINITION)
    eventually(lambda: _is_served(api), "the API server serves ComputeClasses")
    yield dynamic.DynamicClient(api)
    extensions.delete_custom_resource_definition(DEFINITION["metadata"]["name"])
    core.delete_namespace(NAMESPACE)
    # What it holds goes later, and other tests on this server compare what is there before and after them.
    eventually(lambda: NAMESPACE not in _namespaces(core), "the namespace is gone")


def _namespaces(core: client.CoreV1Api) -> set[str]:
    return {item.metadata.name for item in core.list_namespace().items}


def _is_served(api: client.ApiClient) -> bool:
    try:
        dynamic.DynamicClient(api).resources.get(api_version="cloud.google.com/v1", kind="ComputeClass")
    except ResourceNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("production")
    store = production_store(folder / "store")
    where = ("--model", "gs://models/resnet", "--namespace", NAMESPACE, "--out", str(folder / "out"))
    result = CliRunner().invoke(app, ("manifests", *DAY, *where, "--results", store))
    assert result.exit_code == 0, result.output
    return [
        document for file in sorted((folder / "out").iterdir()) for document in yaml.safe_load_all(file.read_text())
    ]


def test_a_real_api_server_takes_every_object(cluster: dynamic.DynamicClient, written: list[dict[str, Any]]) -> None:
    kinds = [document["kind"] for document in written]
    assert sorted(kinds) == [
        *("ComputeClass", "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
        *("Service", "Service", "ServiceAccount"),
    ]
    for made in written:
        taken = applied(cluster, made, dry_run=True)
        assert taken["metadata"]["name"] == made["metadata"]["name"]
        assert taken["metadata"]["uid"]


def test_the_api_server_would_have_refused_a_field_that_there_is_not(
    cluster: dynamic.DynamicClient, written: list[dict[str, Any]]
) -> None:
    for made in written:
        if "spec" in made:
            with pytest.raises(DynamicApiError, match="maxUnavailabel"):
                applied(cluster, made | {"spec": made["spec"] | {"maxUnavailabel": 1}}, dry_run=True)


def test_the_strictest_level_of_pod_security_takes_the_pods(
    cluster: dynamic.DynamicClient, written: list[dict[str, Any]]
) -> None:
    [deployment] = [document for document in written if document["kind"] == "Deployment"]
    [account] = [document for document in written if document["kind"] == "ServiceAccount"]
    applied(cluster, account)
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": NAMESPACE}}
    pod["metadata"] |= template["metadata"]
    assert applied(cluster, pod | {"spec": template["spec"]}, dry_run=True)["spec"]["containers"]
    loose = template["spec"] | {"hostNetwork": True}
    with pytest.raises(DynamicApiError, match="restricted"):
        applied(cluster, pod | {"spec": loose}, dry_run=True)
