"""A load test through a proxy that upgrades no connection: its rows come back in plain HTTP, from the pod itself."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from kubernetes import client

import provider.cluster.job_pod
import provider.cluster.pod_sampler
from analysis.results.storage.store import ResultsStore
from provider.resource import Operation, ResourceError
from provider.resources.cluster_load_test import ClusterLoadTest
from tests.engine.load.process_kubelet import ProcessKubelet
from tests.engine.load.test_load_in_cluster import Recorded, left
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.kubernetes.no_upgrades import DROPS, FORBIDS, HANGS_UP, Passed, no_upgrades

RESOURCE = ClusterLoadTest()


def address_of_this_machine() -> str:
    """An API server's proxy connects to no loopback address (ResourceLocation in its pod/strategy.go)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # a route is looked up, and nothing is sent
        return str(probe.getsockname()[0])


@pytest.fixture
def reachable(kubelet: ProcessKubelet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubelet.pods, "address", address_of_this_machine())


@pytest.fixture(params=[FORBIDS, DROPS, HANGS_UP])
def passed(request: Any, control_plane: ControlPlane, tmp_path: Path, inputs: Any) -> Iterator[Passed]:
    with no_upgrades(request.param, control_plane.kubeconfig, tmp_path) as passed:
        inputs["kubeconfig"] = passed.kubeconfig
        yield passed


def test_all_rows_come_back_and_the_missing_samples_of_the_servers_are_said(
    inputs: Any,
    passed: Passed,
    reachable: None,
    api: client.ApiClient,
    kubelet: ProcessKubelet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider.cluster.pod_sampler, "_INTERVAL_S", 0.1)
    recorded = Recorded()
    outputs = RESOURCE.create(inputs, recorded.operation)
    store = ResultsStore(inputs["results"])
    (manifest,) = store.scan().manifests
    # Rows are compared with what Locust counted: a missing one would be a reason.
    assert manifest.validity.reasons == ()
    assert outputs["headline"]["requests"] > 10
    assert set(store.samples(manifest)["subject"].to_pylist()) == {"generator"}
    assert pc.min(store.samples(manifest)["at"]).as_py() is not None
    (said,) = (line for line in recorded.said if "is not sampled" in line)
    assert "the CPU and memory use of server tf-serving-0 is not sampled (" in said
    assert any("CPU of" in line and "is unknown" in line for line in recorded.said)
    assert passed.upgrades, "commands were tried"
    assert {"list", "clock", "release"} <= {path.rpartition("/")[2] for path in passed.to_pods}
    assert left(api) == []
    assert kubelet.pods.alive == []


@pytest.mark.parametrize("passed", [DROPS], indirect=True)
def test_a_cancelled_test_is_interrupted_and_its_rows_are_stored(
    inputs: Any, passed: Passed, reachable: None, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    recorded = Recorded(lambda recorded: recorded.operation.cancelled.set())
    inputs["profile"]["duration_s"] = 600.0
    with pytest.raises(ResourceError, match="the test was cancelled, so later requests are missing") as failure:
        RESOURCE.create(inputs, recorded.operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert not any("Locust counted" in reason for reason in manifest.validity.reasons), "all rows were written"
    assert "(0 requests)" not in str(failure.value)
    assert left(api) == []
    assert kubelet.pods.alive == []


@pytest.mark.parametrize("passed", [DROPS], indirect=True)
def test_a_pod_that_no_way_leads_to_ends_the_test_at_its_start(
    inputs: Any, passed: Passed, api: client.ApiClient, kubelet: ProcessKubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod's address is of the loopback, which the API server refuses to connect to."""
    monkeypatch.setattr(provider.cluster.job_pod, "_REACHABLE_WITHIN_S", 5.0)
    inputs["profile"]["duration_s"] = 600.0
    said: list[str] = []
    with pytest.raises(
        ResourceError,
        match=r"Its rows could not have been fetched .*`kubectl exec`.* The cause: .* the answer was 400 Bad Request;"
        r" address not allowed",
    ):
        RESOURCE.create(inputs, Operation(said.append, said.append))
    assert ResultsStore(inputs["results"]).scan().manifests == ()
    assert not list(Path(inputs["workDir"]).iterdir())
    assert left(api) == []
    assert kubelet.pods.alive == []


@pytest.mark.parametrize("passed", [FORBIDS], indirect=True)
def test_the_token_of_a_run_is_needed_and_is_written_nowhere(
    inputs: Any, passed: Passed, reachable: None, api: client.ApiClient
) -> None:
    core, tokens, refused = client.CoreV1Api(api), [], []

    def ask_without(_: Recorded) -> None:
        (pod,) = (item for item in core.list_namespaced_pod("load-tests").items if item.metadata.name != "tf-serving-0")
        (sidecar,) = (container for container in pod.spec.containers if container.name == "sidecar")
        tokens.extend(variable.value for variable in sidecar.env if variable.name == "SHAPEBENCH_SIDECAR_TOKEN")
        for command in ("list", "release"):
            with pytest.raises(client.ApiException) as failure:
                core.connect_get_namespaced_pod_proxy_with_path(f"{pod.metadata.name}:8502", "load-tests", command)
            refused.append(failure.value.status)

    recorded = Recorded(ask_without)
    outputs = RESOURCE.create(inputs, recorded.operation)
    assert refused == [403, 403]
    (token,) = tokens
    files = [path.read_bytes() for path in Path(inputs["results"]).rglob("*") if path.is_file()]
    written = b"".join(files).decode(errors="replace")
    assert len(token) > 20
    assert token not in json.dumps(outputs) + str(recorded.said) + str(recorded.shown) + written + str(passed.to_pods)
