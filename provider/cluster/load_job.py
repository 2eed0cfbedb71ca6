"""The Job of one load test: pods with Locust in one container and the sidecar in another, and the record of its run.

What is read back from a Job is here, too: any later update can store its run, and needs nothing else for it.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import AwareDatetime, ValidationError

from analysis.results.schema.manifest import Replica
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.pod.sidecar import ADDRESS_VARIABLE, TOKEN_VARIABLE
from loadtest.generator.prepare import PAYLOAD_VARIABLE, PLAN_JSON_VARIABLE
from loadtest.run import pod
from provider.cluster.api import Json, selector_of
from provider.cluster.servers import ServerPod
from provider.load_test_inputs import ClusterLoadTestInputs
from provider.record.repeats import PlannedRun
from stacks.frozen import Frozen
from stacks.names import GENERATOR_LABELS, SIDECAR_PORT, STACK, label_value

GENERATOR, SIDECAR, PREPARE = "locust", "sidecar", "prepare"

# The annotation with the record of the run.
_RECORD = "shapebench/run"

# What Kubernetes calls the Job of a pod.
JOB_LABEL = "batch.kubernetes.io/job-name"

# The official image's own user.
_USER = 1000

# How long the sidecar keeps the rows for whoever fetches them: what was interrupted in the evening is there in the
# morning.
KEEP_S = 12 * 3600

# How long the cluster keeps a Job that has ended, and holds no rows any more.
_KEEP_ENDED_S = 1800

# How long the server may take until it answers a request from the generator's pod, in seconds.
_AVAILABLE_WITHIN_S = 120

# Longer than the sidecar keeps the rows after a SIGTERM.
_TERMINATION_GRACE_S = 45

_SIDECAR_RESOURCES = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}


class RunRecord(Frozen):
    """A run as it was started: what it takes to store it, besides its rows."""

    run: PlannedRun
    inputs: ClusterLoadTestInputs
    servers: tuple[ServerPod, ...]
    replicas: tuple[Replica, ...]
    started_at: AwareDatetime
    commit: str | None

    @property
    def work_folder(self) -> Path:
        """Where the generator's files are fetched to."""
        return Path(self.inputs.work_dir) / self.run.run_id

    def at(self, results: str, work_dir: Path) -> Self:
        """The same run, to be stored on this machine: it may have been started on another."""
        inputs = self.inputs.model_copy(update={"results": results, "work_dir": str(work_dir)})
        return self.model_copy(update={"inputs": inputs})

    def text(self) -> str:
        """As JSON, without the kubeconfig: the Job holds no secret of the stack."""
        inputs = self.inputs.model_copy(update={"kubeconfig": None})
        return self.model_copy(update={"inputs": inputs}).model_dump_json()


def jobs_selector(stack: str) -> str:
    """Selects every Job of this stack's load tests, whichever update created it."""
    return selector_of(_labels(stack))


def job(record: RunRecord, plan: LoadTestPlan) -> dict[str, Any]:
    """The Job of a run as the API takes it. Its pods run once: when one fails, the test has failed."""
    inputs, name, labels = record.inputs, f"load-{record.run.run_id.lower()}", _labels(record.inputs.stack)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": inputs.namespace,
            # Kubernetes puts this label on the Job's pods; with it on the Job, too, one selector finds both.
            "labels": labels | {JOB_LABEL: name},
            "annotations": {_RECORD: record.text()},
        },
        "spec": {
            **_pods(plan.pods),
            "podReplacementPolicy": "Failed",
            # When nobody watches it any more, it ends and is deleted by the cluster.
            "activeDeadlineSeconds": round(inputs.start_timeout_s + plan.timeout_s + KEEP_S),
            "ttlSecondsAfterFinished": _KEEP_ENDED_S,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod(inputs, plan, {JOB_LABEL: name}),
            },
        },
    }


def _pods(count: int) -> dict[str, Any]:
    """How many pods the Job has, none of which is replaced. One that fails ends no other: it may hold rows.

    Kubernetes before 1.29 does not know the limit for each index, and is not asked for it by a Job of one pod.
    """
    if count == 1:
        return {"backoffLimit": 0}
    return {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "backoffLimitPerIndex": 0,
        "maxFailedIndexes": count,
    }


def record_of(job: Json) -> RunRecord | None:
    """The record that a Job carries; None where it has none, or one of another version."""
    try:
        return RunRecord.model_validate_json((job["metadata"].get("annotations") or {})[_RECORD])
    except (KeyError, ValidationError):
        return None


def plan_of(job: Json) -> LoadTestPlan:
    """The plan that the generator of a Job follows."""
    return LoadTestPlan.from_json(_variable(job, "initContainers", PREPARE, PLAN_JSON_VARIABLE))


def token_of(job: Json) -> str:
    """What the sidecar of a Job wants to see in every request."""
    return _variable(job, "containers", SIDECAR, TOKEN_VARIABLE)


def _variable(job: Json, containers: str, container: str, variable: str) -> str:
    """The value of a container's environment variable."""
    (found,) = (each for each in job["spec"]["template"]["spec"][containers] if each["name"] == container)
    return next(str(each["value"]) for each in found["env"] if each["name"] == variable)


def _generator_resources(processes: int) -> dict[str, Any]:
    """Requests and limits of the generator's container.

    The requests are low, because one core of a generator sends a hundred times what a server of one core answers. The
    limit has a core for each process and one for the master, so no process is ever throttled; settings are checked to
    leave the node that many.
    """
    return {
        "requests": {"cpu": f"{250 * (processes + 1)}m", "memory": f"{256 * processes}Mi"},
        "limits": {"cpu": str(processes + 1), "memory": f"{processes}Gi"},
    }


def _labels(stack: str) -> dict[str, str]:
    # NetworkPolicies admit pods with the generator's label to the server, and no others.
    return GENERATOR_LABELS | {"app.kubernetes.io/name": "locust", STACK: label_value(stack)}


def _pod(inputs: ClusterLoadTestInputs, plan: LoadTestPlan, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": inputs.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(inputs.node_selector),
        # A node for each, where there are as many; the manifest says where they were.
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(labels)},
            }
        ],
        "terminationGracePeriodSeconds": _TERMINATION_GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            _container(
                PREPARE,
                inputs.generator_image,
                pod.prepare_command(_AVAILABLE_WITHIN_S),
                _generator_resources(1),
                {PLAN_JSON_VARIABLE: plan.to_json(), PAYLOAD_VARIABLE: str(pod.PAYLOAD_DIR)},
            )
        ],
        "containers": [
            _container(GENERATOR, inputs.generator_image, pod.LOCUST_COMMAND, _generator_resources(plan.processes)),
            _container(
                SIDECAR,
                inputs.generator_image,
                pod.sidecar_command("keep", str(round(plan.timeout_s + KEEP_S)), str(SIDECAR_PORT)),
                _SIDECAR_RESOURCES,
                {TOKEN_VARIABLE: secrets.token_urlsafe()},
            ),
        ],
        "volumes": [
            {"name": "scripts", "configMap": {"name": inputs.scripts, "items": pod.script_items()}},
            {"name": "payload", "projected": {"sources": [{"configMap": {"name": each}} for each in inputs.payload]}},
            {"name": "work", "emptyDir": {}},
        ],
    }


def _container(
    name: str,
    image: str,
    command: tuple[str, ...],
    resources: Mapping[str, Any],
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    environment = {
        "PYTHONPATH": str(pod.SCRIPTS_DIR),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(pod.WORK_DIR),
        "TMPDIR": str(pod.WORK_DIR),
        PLAN_VARIABLE: str(pod.PLAN),
        **(variables or {}),
    }
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        # Locust reads settings from its working folder; there are none in this one.
        "workingDir": str(pod.WORK_DIR),
        "env": [
            {"name": ADDRESS_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *({"name": key, "value": value} for key, value in environment.items()),
        ],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scripts", "mountPath": str(pod.SCRIPTS_DIR), "readOnly": True},
            {"name": "payload", "mountPath": str(pod.PAYLOAD_DIR), "readOnly": True},
            {"name": "work", "mountPath": str(pod.WORK_DIR)},
        ],
    }
