"""The load test through a real API server, with the real Job controller, scheduler, admission and garbage collector.

The node's pods are processes: their commands, Locust, the server and the way back are real; containers are not.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from kubernetes import client

import provider.cluster.pod_sampler
from analysis.results.storage.store import ResultsStore
from provider.cluster.api import REQUIRED_RIGHTS
from provider.cluster.load_job import GENERATOR
from provider.resource import Operation, ResourceError
from provider.resources.cluster_load_test import ClusterLoadTest
from tests.engine.load.process_kubelet import ProcessKubelet
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.otlp_receivers import http_receiver
from tools.pins import ROOT

pytestmark = pytest.mark.engine

RESOURCE = ClusterLoadTest()

PROGRAM = """
import json, sys
from provider.resources.cluster_load_test import ClusterLoadTest
from provider.resource import Operation
say = lambda line: print(line, flush=True)
ClusterLoadTest().create(json.load(sys.stdin), Operation(say, say))
"""


INTERRUPTED = "the update that ran the test was interrupted, so later requests are missing; run again"


class Recorded:
    """An operation whose words are kept, and a thing to do once requests are answered."""

    def __init__(self, during: Callable[["Recorded"], object] = lambda _: None) -> None:
        self.said: list[str] = []
        self.shown: list[str] = []
        self._during: Callable[[Recorded], object] | None = during
        self.operation = Operation(self.said.append, self._show)

    def _show(self, line: str) -> None:
        self.shown.append(line)
        if self._during and "p50" in line:
            during, self._during = self._during, None
            during(self)


def left(api: client.ApiClient) -> list[str]:
    jobs = client.BatchV1Api(api).list_job_for_all_namespaces().items
    pods = client.CoreV1Api(api).list_namespaced_pod("load-tests").items
    return [job.metadata.name for job in [*jobs, *pods] if job.metadata.name != "tf-serving-0"]


def test_the_rows_come_back_and_neither_job_nor_pod_nor_secret_stays(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    recorded = Recorded()
    outputs = RESOURCE.create(inputs, recorded.operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    assert manifest.serving.image == "server@sha256:" + "3" * 64
    assert outputs["headline"]["requests"] > 10
    assert any(" users" in line for line in recorded.shown)
    assert left(api) == []
    assert kubelet.pods.alive == []
    secret = inputs["kubeconfig"].partition('"token": "')[2].partition('"')[0]
    written = "".join(path.read_text(errors="replace") for path in Path(inputs["results"]).rglob("*.json"))
    assert len(secret) > 20
    assert secret not in str(outputs) + str(recorded.said) + str(recorded.shown) + written


def test_what_server_and_generator_used_comes_back_through_commands_beside_the_tests_own(
    inputs: Any, api: client.ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.cluster.pod_sampler, "_INTERVAL_S", 0.1)
    RESOURCE.create(inputs, Recorded().operation)
    store = ResultsStore(inputs["results"])
    (manifest,) = store.scan().manifests
    samples = store.samples(manifest).to_pandas()
    assert set(samples["subject"]) == {"generator", "tf-serving-0"}
    server = samples[samples["subject"] == "tf-serving-0"]
    other = {"other_cpu_cores", "other_memory_bytes", "stolen_cores"}
    assert set(server["quantity"]) == {"cpu_cores", "memory_bytes", "most_cores", "throttled_ratio"} | other
    generator = samples[samples["subject"] == "generator"]
    assert server["at"].min() < generator["at"].min()
    assert server["at"].max() > generator["at"].min()
    assert left(api) == []


def test_a_connection_that_is_cut_for_twenty_seconds_loses_nothing(
    inputs: Any, api: client.ApiClient, control_plane: ControlPlane
) -> None:
    under_way = threading.Event()
    recorded = Recorded(lambda _: under_way.set())
    inputs["profile"]["duration_s"] = 8.0
    with ThreadPoolExecutor() as pool:
        created = pool.submit(RESOURCE.create, inputs, recorded.operation)
        assert under_way.wait(60)
        control_plane.stop_api_server()
        time.sleep(20)
        control_plane.restart_api_server()
        created.result()
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    assert any("no usable answer from the cluster since" in line for line in recorded.shown)
    assert left(api) == []


def test_its_metrics_are_sent_by_the_plugin(inputs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs["profile"]["duration_s"] = 4.0
    recorded = Recorded()
    with http_receiver() as got:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", got.url)
        made = RESOURCE.create(inputs, recorded.operation)
    [run] = ResultsStore(inputs["results"]).scan().manifests
    assert got.values["shapebench.requests"] == sum(file.rows for file in run.files or () if "part-" in file.name) > 0
    assert got.values["shapebench.result.requests"] == made["headline"]["requests"]
    assert {labels["run_id"] for labels in got.labels} == {made["runId"]}
    assert not [line for line in recorded.said if "metrics" in line]


def test_a_generator_that_is_killed_is_told_and_its_rows_are_kept(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    recorded = Recorded(lambda _: kubelet.pods.last.kill(GENERATOR))
    inputs["profile"]["duration_s"] = 600.0
    with pytest.raises(ResourceError, match=r"the load generator crashed \(SIGKILL, OOMKilled\)"):
        RESOURCE.create(inputs, recorded.operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.verdict == "invalid"
    assert left(api) == []


def test_a_killed_one_of_two_generator_processes_ends_the_test_and_the_rows_of_both_are_kept(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    def kill_a_worker(_: Recorded) -> None:
        time.sleep(2)  # both have asked by then
        _, worker = psutil.Process(kubelet.pods.last.pid(GENERATOR)).children()
        worker.kill()

    recorded = Recorded(kill_a_worker)
    inputs |= {"processes": 2}
    inputs["profile"]["duration_s"] = 600.0
    with pytest.raises(ResourceError, match=r"a process of the load generator was lost \(locust-[01], process \d+"):
        RESOURCE.create(inputs, recorded.operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert (manifest.validity.verdict, manifest.generator.processes) == ("invalid", 2)
    parts = {part.name: pq.read_metadata(part).num_rows for part in Path(inputs["results"]).rglob("part-*.parquet")}
    assert parts.keys() == {"part-locust-0.parquet", "part-locust-1.parquet"}
    assert min(parts.values()) > 0
    assert left(api) == []
    assert kubelet.pods.alive == []


def test_the_pods_of_an_indexed_job_share_one_load_and_the_rows_of_both_come_back(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    inputs |= {"pods": 2}
    inputs["profile"]["duration_s"] = 4.0
    RESOURCE.create(inputs, Recorded().operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    assert (manifest.generator.processes, len(manifest.generator.nodes)) == (2, 2)
    parts = {part.name: pq.read_metadata(part).num_rows for part in Path(inputs["results"]).rglob("part-*.parquet")}
    assert parts.keys() == {"part-locust-0.parquet", "part-locust-1.parquet"}
    assert min(parts.values()) > 0
    assert left(api) == []
    assert kubelet.pods.alive == []


def test_a_deleted_one_of_two_pods_is_not_made_again_and_the_rows_of_the_other_come_back(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    core = client.CoreV1Api(api)

    def delete_the_second(_: Recorded) -> None:
        label = "batch.kubernetes.io/job-completion-index=1"
        (pod,) = core.list_namespaced_pod("load-tests", label_selector=label).items
        core.delete_namespaced_pod(pod.metadata.name, "load-tests", grace_period_seconds=0)

    inputs |= {"pods": 2}
    inputs["profile"]["duration_s"] = 600.0
    with pytest.raises(ResourceError, match=r"a pod of the load generator was lost \(number 2 of 2: "):
        RESOURCE.create(inputs, Recorded(delete_the_second).operation)
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.verdict == "invalid"
    (part,) = Path(inputs["results"]).rglob("part-*.parquet")
    assert pq.read_metadata(part).num_rows > 0
    assert left(api) == []
    assert kubelet.pods.alive == []


def test_a_cancelled_update_ends_the_job(inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet) -> None:
    recorded = Recorded(lambda recorded: recorded.operation.cancelled.set())
    inputs["profile"]["duration_s"] = 600.0
    with pytest.raises(ResourceError, match="the test was cancelled, so later requests are missing"):
        RESOURCE.create(inputs, recorded.operation)
    assert left(api) == []
    assert kubelet.pods.alive == []


def test_the_rows_of_a_job_that_a_killed_update_left_are_stored_and_it_is_removed_with_its_load(
    inputs: Any, api: client.ApiClient, kubelet: ProcessKubelet
) -> None:
    inputs["profile"]["duration_s"] = 600.0
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as update:
        assert update.stdin
        assert update.stdout
        update.stdin.write(json.dumps(inputs))
        update.stdin.close()
        assert any("p50" in line for line in update.stdout)
        update.kill()
    assert left(api)
    assert kubelet.pods.alive
    recorded = Recorded()
    inputs["profile"]["duration_s"] = 3.0
    RESOURCE.create(inputs, recorded.operation)
    assert recorded.said[0].startswith("fetching the rows of run ")
    assert recorded.said[0].endswith("a load test that an interrupted update left behind")
    interrupted, finished = ResultsStore(inputs["results"]).scan().manifests
    assert interrupted.validity.reasons == (INTERRUPTED,)
    assert sum(file.rows for file in interrupted.files or () if file.name.startswith("part-")) > 0
    assert finished.validity.reasons == ()
    assert left(api) == []
    assert kubelet.pods.alive == []


def test_a_pod_that_finds_no_node_says_so_and_leaves_nothing(inputs: Any, api: client.ApiClient) -> None:
    inputs |= {"nodeSelector": {"shapebench/pool": "none"}, "startTimeoutS": 3}
    with pytest.raises(ResourceError, match=r"did not start within .* Unschedulable: 0/1 nodes are available"):
        RESOURCE.create(inputs, Recorded().operation)
    assert left(api) == []


def test_a_pod_that_admission_refuses_says_so_and_leaves_nothing(inputs: Any, api: client.ApiClient) -> None:
    inputs |= {"serviceAccount": "nobody", "startTimeoutS": 3}
    with pytest.raises(ResourceError, match=r'FailedCreate: .*serviceaccount "nobody" not found'):
        RESOURCE.create(inputs, Recorded().operation)
    assert left(api) == []


def test_a_user_without_the_rights_is_told_which_before_anything_is_made(
    inputs: Any, api: client.ApiClient, control_plane: ControlPlane
) -> None:
    inputs["kubeconfig"] = (control_plane.folder / "kube-scheduler.kubeconfig").read_text()
    with pytest.raises(
        ResourceError, match=r"lacks permissions in namespace \S+: create jobs, .*create pods/exec, get pods/proxy; "
    ):
        RESOURCE.create(inputs, Recorded().operation)
    assert left(api) == []


def test_the_rights_that_are_asked_for_are_enough(inputs: Any, api: client.ApiClient) -> None:
    """A user with exactly these rights, in this namespace, runs a load test."""
    rules: dict[tuple[str, str], list[str]] = {}
    for verb, resource in REQUIRED_RIGHTS:
        rules.setdefault(("batch" if resource == "jobs" else "", resource), []).append(verb)
    namespace, authorization = inputs["namespace"], client.RbacAuthorizationV1Api(api)
    granted = [{"apiGroups": [group], "resources": [kind], "verbs": verbs} for (group, kind), verbs in rules.items()]
    authorization.create_namespaced_role(namespace, {"metadata": {"name": "load-test"}, "rules": granted})
    subject = {"kind": "ServiceAccount", "name": "account-1", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "load-test"}
    authorization.create_namespaced_role_binding(
        namespace, {"metadata": {"name": "load-test"}, "subjects": [subject], "roleRef": role}
    )
    token = client.CoreV1Api(api).create_namespaced_service_account_token("account-1", namespace, {"spec": {}})
    theirs = inputs["kubeconfig"].partition('"token": "')[2].partition('"')[0]
    inputs["kubeconfig"] = inputs["kubeconfig"].replace(theirs, token.status.token)
    time.sleep(1)  # until the authorizer has heard of it
    RESOURCE.create(inputs, Recorded().operation)
    assert left(api) == []
