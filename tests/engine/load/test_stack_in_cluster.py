"""`pulumi up` of the stack `kubernetes`: the real engine, providers and API server; the pods are processes."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from kubernetes import client

from provider.cluster.job_result import last_message
from provider.cluster.load_job import GENERATOR
from tests.engine.harness import LONG, SMOKE, Stack, eventually, stack_in_cluster
from tests.engine.load.process_kubelet import ProcessKubelet
from tests.support.kubernetes.control_plane import ControlPlane

NAMESPACE = "stack-tests"


@pytest.fixture(scope="module")
def stack(
    control_plane: ControlPlane,
    kubelet: ProcessKubelet,
    server_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    settings = {
        "namespace": NAMESPACE,
        "servingImage": "tensorflow/serving:2.20.0",
        "modelUri": "/models/{digest}/resnet",
        "pod": {"cpuMillis": 500, "memoryMib": 2048},
    }
    # What the cluster's DNS and its service would do.
    kubelet.pods.names[f"http://tf-serving-rest.{NAMESPACE}.svc:8501"] = server_url
    folder = tmp_path_factory.mktemp("stack")
    with stack_in_cluster("in-cluster", folder, control_plane.kubeconfig, settings, SMOKE) as stack:
        yield stack


@pytest.fixture(scope="module")
def went_up(stack: Stack) -> str:
    result = stack.up()
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_an_update_deploys_measures_and_keeps_the_run(stack: Stack, went_up: str) -> None:
    outputs: dict[str, Any] = json.loads(stack.must("stack", "output", "--json"))
    (run,) = stack.runs()
    assert outputs["runId"] == run.run_id
    assert outputs["headline"]["requests"] > 10
    assert run.validity.verdict == "valid"
    assert run.platform == "kubernetes"
    assert run.serving.image == "server@sha256:" + "3" * 64
    assert "good predictions/s" in went_up


def test_the_next_preview_has_nothing_to_do(stack: Stack, went_up: str) -> None:
    stack.must("preview", "--expect-no-changes")


def test_the_state_holds_no_credential(stack: Stack, went_up: str, control_plane: ControlPlane) -> None:
    files = [path for path in Path(stack.home).rglob("*") if path.is_file()]
    holding = [path for path in files if control_plane.token.encode() in path.read_bytes()]
    assert holding == []


def test_neither_job_nor_generator_is_left_after_it(api: client.ApiClient, went_up: str) -> None:
    assert client.BatchV1Api(api).list_namespaced_job(NAMESPACE).items == []
    (pod,) = client.CoreV1Api(api).list_namespaced_pod(NAMESPACE).items
    assert pod.metadata.labels["app.kubernetes.io/component"] == "model-server"


def test_with_fresh_deployments_the_pods_are_replaced_between_repeats_and_nothing_else_changes(
    stack: Stack, api: client.ApiClient, went_up: str
) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    (before,) = core.list_namespaced_pod(NAMESPACE).items
    (deployed,) = apps.list_namespaced_deployment(NAMESPACE).items
    stack.config["load"] = SMOKE | {"repeats": 2, "freshDeployment": True}
    stack.must_up()
    (after,) = core.list_namespaced_pod(NAMESPACE).items
    assert after.metadata.uid != before.metadata.uid
    assert after.spec.containers[0].args == before.spec.containers[0].args
    (still,) = apps.list_namespaced_deployment(NAMESPACE).items
    assert (still.metadata.uid, still.metadata.generation) == (deployed.metadata.uid, deployed.metadata.generation)
    runs = stack.runs()
    assert len({run.deployment for run in runs}) == len(runs) == 3, "the first update's servers had answered a run"
    assert {run.validity.verdict for run in runs} == {"valid"}
    stack.must("preview", "--refresh", "--expect-no-changes")


def kill(update: subprocess.Popen[str]) -> None:
    """Kill Pulumi and its plugins, so that none of them can end what it began."""
    processes = [psutil.Process(update.pid), *psutil.Process(update.pid).children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    update.communicate(timeout=60)


def test_a_destroy_stores_the_rows_of_a_killed_update_and_removes_the_namespace(
    stack: Stack, api: client.ApiClient, kubelet: ProcessKubelet, went_up: str
) -> None:
    stack.config |= {"rerun": "again", "load": LONG}
    update = stack.start("up", "--yes", "--skip-preview")
    pods = client.CoreV1Api(api)

    def requests() -> int:
        generators = pods.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=locust").items
        logs = [log_of(generator.metadata.name) for generator in generators]
        return sum((last_message(log, "progress") or {"requests": 0})["requests"] for log in logs)

    def log_of(pod: str) -> str:
        try:
            return str(pods.read_namespaced_pod_log(pod, NAMESPACE, container=GENERATOR))
        except client.ApiException:
            return ""

    eventually(lambda: requests() > 5, "the generator's requests are answered", within_s=120)
    kill(update)
    assert client.BatchV1Api(api).list_namespaced_job(NAMESPACE).items, "it still runs"
    stack.must("cancel", "--yes")
    destroyed = stack.must("destroy", "--yes", "--skip-preview")
    assert "fetching the rows of run" in destroyed
    assert NAMESPACE not in [item.metadata.name for item in pods.list_namespace().items]
    *earlier, interrupted = stack.runs()
    assert {run.validity.verdict for run in earlier} == {"valid"}
    assert interrupted.validity.reasons == (
        "the update that ran the test was interrupted, so later requests are missing; run again",
    )
    assert sum(file.rows for file in interrupted.files or () if file.name.startswith("part-")) > 0
    assert kubelet.pods.alive == []
