"""The Job of one load test: a pod with Locust in one container and the sidecar in another."""

from collections.abc import Mapping
from typing import Any

from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.pod.prepare import PIXELS_VARIABLE, PLAN_JSON_VARIABLE
from loadtest.generator.pod.sidecar import ADDRESS_VARIABLE, TOKEN_VARIABLE
from loadtest.run import pod
from provider.cluster.api import Json
from provider.cluster.server_pods import selector_of
from provider.load_test_inputs import ClusterLoadTestInputs
from stacks.names import GENERATOR_LABELS, SIDECAR_PORT, STACK, label_value

GENERATOR, SIDECAR, PREPARE, AVAILABLE = "locust", "sidecar", "prepare", "available"

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


def jobs_selector(stack: str) -> str:
    """Selects every Job of this stack's load tests, whichever update created it."""
    return selector_of(_labels(stack))


def job_name(run_id: str) -> str:
    """The Job of a run; one run has one Job."""
    return f"load-{run_id.lower()}"


def job(
    inputs: ClusterLoadTestInputs, run_id: str, plan: LoadTestPlan, token: str, annotations: Mapping[str, str]
) -> dict[str, Any]:
    """The Job as the API takes it. Its pod runs once: when it fails, the test has failed.

    The sidecar answers requests that carry `token`.
    """
    labels = _labels(inputs.stack)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run_id),
            "namespace": inputs.namespace,
            # Kubernetes puts this label on the Job's pods; with it on the Job, too, one selector finds both.
            "labels": labels | {JOB_LABEL: job_name(run_id)},
            "annotations": dict(annotations),
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            # When nobody watches it any more, it ends and is deleted by the cluster.
            "activeDeadlineSeconds": round(inputs.start_timeout_s + plan.timeout_s + KEEP_S),
            "ttlSecondsAfterFinished": _KEEP_ENDED_S,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod(inputs, plan, token),
            },
        },
    }


def plan_of(job: Json) -> LoadTestPlan:
    """The plan of a Job that exists already."""
    return LoadTestPlan.from_json(_variable(job, "initContainers", PREPARE, PLAN_JSON_VARIABLE))


def token_of(job: Json) -> str:
    """The token of the sidecar of a Job that exists already."""
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


def _pod(inputs: ClusterLoadTestInputs, plan: LoadTestPlan, token: str) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": inputs.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(inputs.node_selector),
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
                pod.PREPARE_COMMAND,
                _generator_resources(1),
                {PLAN_JSON_VARIABLE: plan.to_json(), PIXELS_VARIABLE: str(pod.PIXELS)},
            ),
            _container(
                AVAILABLE, inputs.generator_image, pod.available_command(_AVAILABLE_WITHIN_S), _SIDECAR_RESOURCES
            ),
        ],
        "containers": [
            _container(GENERATOR, inputs.generator_image, pod.LOCUST_COMMAND, _generator_resources(plan.processes)),
            _container(
                SIDECAR,
                inputs.generator_image,
                pod.sidecar_command("keep", str(round(plan.timeout_s + KEEP_S)), str(SIDECAR_PORT)),
                _SIDECAR_RESOURCES,
                {TOKEN_VARIABLE: token},
            ),
        ],
        "volumes": [
            {"name": "scripts", "configMap": {"name": inputs.scripts, "items": pod.script_items()}},
            {"name": "payload", "configMap": {"name": inputs.payload}},
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
