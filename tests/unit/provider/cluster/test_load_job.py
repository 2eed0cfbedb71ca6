"""The Job of a load test, and how the status of its pod is read."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.results.schema.manifest import Replica
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.servers import Servers
from loadtest.result.validity.servers import server_change_reasons
from loadtest.run import pod as layout
from loadtest.run.payload import outputs_of
from provider.cluster.load_job import (
    GENERATOR,
    SIDECAR,
    RunRecord,
    job,
    jobs_selector,
    plan_of,
    record_of,
    token_of,
)
from provider.cluster.pod_status import exit_code, killed_by, loss_reason, pending_reason, termination_reason
from provider.cluster.servers import ServerPod, image_of, server_pods
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.repeats import PlannedRun
from stacks.load.load_profiles import PROFILES
from stacks.server.models import RESNET50
from tests.support.load_test_inputs import cluster_load_test_inputs

RUN_ID = "01K0000000000000000000ABCD"
PLAN = LoadTestPlan(
    load_plan(PROFILES["seed"].plan_values),
    "rest",
    "http://tf-serving-rest.shapebench.svc:8501",
    "resnet",
    str(layout.WORK_DIR),
    outputs_of(RESNET50),
)
INPUTS = ClusterLoadTestInputs.parse(
    cluster_load_test_inputs(Path("here"), PLAN.base_url, "shapebench", {"app": "server"}, "the kubeconfig")
    | {"stack": "8CPU_16gb", "startTimeoutS": 600}
)
RECORD = RunRecord(
    run=PlannedRun(RUN_ID),
    inputs=INPUTS,
    servers=(ServerPod("s0", "uid-0", node="n"),),
    replicas=(Replica(name="s0", node="n"),),
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    commit=None,
)
JOB = job(RECORD, PLAN)
POD: dict[str, Any] = JOB["spec"]["template"]["spec"]
CONTAINERS = [*POD["initContainers"], *POD["containers"]]


def test_one_run_is_one_pod_that_is_never_restarted() -> None:
    assert JOB["metadata"]["name"] == "load-01k0000000000000000000abcd"
    assert JOB["spec"]["backoffLimit"] == 0
    assert POD["restartPolicy"] == "Never"


def test_a_job_that_nobody_watches_any_more_ends_and_is_deleted() -> None:
    assert JOB["spec"]["activeDeadlineSeconds"] > 600 + PLAN.timeout_s
    assert JOB["spec"]["ttlSecondsAfterFinished"] > 0


def test_a_later_update_reads_plan_and_record_from_the_job_but_no_kubeconfig() -> None:
    assert plan_of(JOB) == PLAN
    record = record_of(JOB)
    assert record
    assert record == RECORD.model_copy(update={"inputs": INPUTS.model_copy(update={"kubeconfig": None})})
    assert "the kubeconfig" not in json.dumps(JOB)
    there = record.at("gs://results", Path("there"))
    assert (there.inputs.results, there.work_folder) == ("gs://results", Path("there", RUN_ID))


def test_the_pod_has_the_label_that_the_server_admits_and_its_stacks() -> None:
    labels = JOB["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "load-generator"
    assert labels["shapebench-stack"] == "8cpu_16gb"
    assert jobs_selector("8CPU_16gb") == ",".join(f"{name}={value}" for name, value in labels.items())
    # So that one selector finds the Job and its pods, and a removal waits for both.
    assert JOB["metadata"]["labels"] == labels | {"batch.kubernetes.io/job-name": JOB["metadata"]["name"]}


def test_the_pod_runs_on_the_nodes_of_the_stacks_load_pool() -> None:
    assert POD["nodeSelector"] == {"shapebench/pool": "load"}


def test_a_generator_of_several_processes_gets_a_core_for_each_and_one_for_the_master() -> None:
    plan = replace(PLAN, processes=3)
    containers = job(RECORD, plan)["spec"]["template"]["spec"]["containers"]
    (generator,) = (container for container in containers if container["name"] == GENERATOR)
    assert generator["resources"] == {
        "requests": {"cpu": "1000m", "memory": "768Mi"},
        "limits": {"cpu": "4", "memory": "3Gi"},
    }


def test_several_pods_are_an_indexed_job_whose_pods_are_not_replaced_and_end_no_other() -> None:
    made = job(RECORD, replace(PLAN, pods=3))
    spec = made["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == spec["maxFailedIndexes"] == 3
    assert spec["backoffLimitPerIndex"] == 0
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == {"batch.kubernetes.io/job-name": made["metadata"]["name"]}
    assert spread["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: str(container["name"]))
def test_every_container_keeps_to_the_restricted_pod_security_level(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert container["image"] == "locustio/locust:2.46.6"


def test_the_pod_has_no_credentials_for_the_cluster() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_sidecar_outlives_the_test_by_a_night() -> None:
    sidecar = next(container for container in POD["containers"] if container["name"] == SIDECAR)
    assert float(sidecar["command"][-2]) >= PLAN.timeout_s + 12 * 3600
    assert JOB["spec"]["activeDeadlineSeconds"] >= float(sidecar["command"][-2])


def test_the_sidecar_alone_gets_the_token_and_listens_at_the_address_of_the_pod() -> None:
    token = token_of(JOB)
    assert len(token) > 20
    assert token != token_of(job(RECORD, PLAN)), "each Job has its own"
    holders = [container["name"] for container in CONTAINERS if token in json.dumps(container)]
    assert holders == [SIDECAR]
    sidecar = next(container for container in POD["containers"] if container["name"] == SIDECAR)
    assert {"name": "SHAPEBENCH_SIDECAR_TOKEN", "value": token} in sidecar["env"]
    (address,) = (variable for variable in sidecar["env"] if "valueFrom" in variable)
    assert address["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert sidecar["command"][-1] == "8502", "a NetworkPolicy admits this port"
    assert token not in json.dumps(sidecar["command"])


def test_the_plan_reaches_the_pod_unchanged() -> None:
    variables = {variable["name"]: variable.get("value") for variable in POD["initContainers"][0]["env"]}
    assert type(PLAN).from_json(variables["SHAPEBENCH_LOADTEST_PLAN_JSON"]) == PLAN
    assert json.dumps(JOB), "the API takes JSON"


@pytest.mark.parametrize(("code", "meant"), [(0, 0), (2, 2), (128, 128), (137, -9), (143, -15)])
def test_an_exit_code_is_read_as_a_processs(code: int, meant: int) -> None:
    assert exit_code({"exitCode": code}) == meant


def test_only_a_reason_beyond_the_exit_code_is_reported() -> None:
    assert killed_by({"exitCode": 137, "reason": "OOMKilled"}) == "OOMKilled"
    assert killed_by({"exitCode": 1, "reason": "Error"}) is None
    assert killed_by({"exitCode": 1}) is None


def test_an_evicted_pod_is_lost_and_one_whose_container_failed_is_not() -> None:
    evicted = {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}}
    assert loss_reason(evicted) == "its pod ended: Evicted: The node was low on memory."
    assert loss_reason({"status": {"phase": "Failed"}}) is None
    assert loss_reason(None) == "its pod was deleted"


def test_a_terminating_pod_has_a_reason() -> None:
    evicted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "evicting"}
    deleted = {"deletionTimestamp": "now"}
    assert termination_reason({"metadata": {}, "status": {"conditions": [evicted]}}) is None
    assert termination_reason({"metadata": deleted}) == "no reason given"
    assert (
        termination_reason({"metadata": deleted, "status": {"conditions": [evicted]}})
        == "EvictionByEvictionAPI: evicting"
    )


def test_a_pending_image_is_reported_before_a_pending_node() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    waiting = {"name": GENERATOR, "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    assert pending_reason({"status": {"conditions": [unscheduled]}}) == "Unschedulable: 0/3 nodes"
    both = {"status": {"conditions": [unscheduled], "containerStatuses": [waiting]}}
    assert pending_reason(both) == "ErrImagePull: not found"
    assert pending_reason({}) == ""


def server(name: str = "s0", **changes: Any) -> ServerPod:
    fields: dict[str, Any] = {"uid": name, "ready": True, "restarts": 1, "node": "n", "image": "i@sha256:1"}
    return ServerPod(name, **fields | changes)


def test_the_same_servers_before_and_after_are_no_reason() -> None:
    servers = Servers(2, [server(), server("s1")], [server("s1"), server()])
    assert server_change_reasons(servers) == ()


CHANGED = "so fewer servers answered for a part of the test; check the server's log and its memory limit, and run again"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ([server(), server("s1")], [server()], f"server s1 was replaced during the test, {CHANGED}"),
        (
            [server(), server("s1")],
            [server(), server("s1", restarts=2)],
            f"server s1 restarted during the test (1 times), {CHANGED}",
        ),
        (
            [server(), server("s1")],
            [server(), server("s1", ready=False)],
            f"server s1 was not ready any more at the end of the test, {CHANGED}",
        ),
        (
            [server(), server("s1", image="i@sha256:2")],
            [server(), server("s1")],
            (
                "the servers run different images (i@sha256:1, i@sha256:2), so the figures are not those of one server"
                " version; set the image by digest"
            ),
        ),
    ],
)
def test_each_change_of_a_server_is_a_reason(before: list[ServerPod], after: list[ServerPod], reason: str) -> None:
    assert server_change_reasons(Servers(2, before, after)) == (reason,)


def test_a_pod_without_status_is_not_ready_and_a_deleted_one_is_left_out() -> None:
    new = {"metadata": {"name": "a", "uid": "1"}, "spec": {}}
    old = {"metadata": {"name": "b", "uid": "2", "deletionTimestamp": "now"}, "spec": {}}
    assert server_pods([new, old]) == [ServerPod("a", "1", ready=False, restarts=0, node=None, image=None)]


def test_every_image_of_the_servers_is_named_unless_one_is_unknown() -> None:
    assert image_of([server(), server("s1")]) == "i@sha256:1"
    assert image_of([server(), server("s1", image="i@sha256:2")]) == "i@sha256:1, i@sha256:2"
    assert image_of([server(), server("s1", image=None)]) is None
    assert image_of([]) is None
