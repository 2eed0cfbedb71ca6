"""The Job that is one load test: a pod of the load pool with Locust in one container and the keeper in another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.pod.prepare import PIXELS_VARIABLE, PLAN_JSON_VARIABLE
from loadtest.run import pod
from stacks.labels import STACK, label_value
from stacks.serving_names import GENERATOR_LABELS

GENERATOR, KEEPER, PREPARE, AVAILABLE = "locust", "keeper", "prepare", "available"

# What Kubernetes calls the Job of a pod.
JOB_LABEL = "batch.kubernetes.io/job-name"

# The official image's own user.
_USER = 1000

# How long rows wait for whoever fetches them, in seconds, so how long the API may be away at the end of a test.
KEPT_FOR_S = 1800

# How long the server may take to be reached from the generator's node, and to answer once, in seconds.
_AVAILABLE_WITHIN_S = 120

# Longer than the keeper keeps after a SIGTERM.
_GRACE_S = 45

_KEEPER_RESOURCES = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}


@dataclass(frozen=True)
class JobSpec:
    """What a Job takes from the stack: names of what is declared there, and where it shall run."""

    namespace: str
    stack: str
    image: str
    service_account: str
    scripts: str
    payload: str
    node_selector: Mapping[str, str]
    start_timeout_s: float


def selector_of(stack: str) -> str:
    """Selects every Job of this stack's load tests, whichever update made it."""
    return ",".join(f"{name}={value}" for name, value in _labels(stack).items())


def job_name(run_id: str) -> str:
    """The Job of a run; one run has one Job."""
    return f"load-{run_id.lower()}"


def job(spec: JobSpec, run_id: str, plan: LoadTestPlan) -> dict[str, Any]:
    """The Job as the API takes it. It runs once: a pod that fails is a test that failed."""
    labels = _labels(spec.stack)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run_id),
            "namespace": spec.namespace,
            # Kubernetes gives its pods this label; with it on the Job, one selector finds whatever is left of a run.
            "labels": labels | {JOB_LABEL: job_name(run_id)},
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            # When everything that watches it is gone, it ends and goes away by itself.
            "activeDeadlineSeconds": round(spec.start_timeout_s + plan.timeout_s + KEPT_FOR_S),
            "ttlSecondsAfterFinished": KEPT_FOR_S,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod(spec, plan),
            },
        },
    }


def _generator_resources(processes: int) -> dict[str, Any]:
    """Of what asks: as a rule a thread that hardly works, for a core of it asks a hundred times what servers answer.

    Several are asked for where a core is not enough; that there is one for each is seen to while planning. Request and
    limit are of one process more: of the one that leads them, and so that nothing ever waits for its quota.
    """
    return {
        "requests": {"cpu": f"{250 * (processes + 1)}m", "memory": f"{256 * processes}Mi"},
        "limits": {"cpu": str(processes + 1), "memory": f"{processes}Gi"},
    }


def _labels(stack: str) -> dict[str, str]:
    # NetworkPolicies admit pods with the generator's label to the server, and no others.
    return GENERATOR_LABELS | {"app.kubernetes.io/name": "locust", STACK: label_value(stack)}


def _pod(spec: JobSpec, plan: LoadTestPlan) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": spec.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(spec.node_selector),
        "terminationGracePeriodSeconds": _GRACE_S,
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
                spec.image,
                pod.PREPARE_COMMAND,
                _generator_resources(1),
                {PLAN_JSON_VARIABLE: plan.to_json(), PIXELS_VARIABLE: str(pod.PIXELS)},
            ),
            _container(AVAILABLE, spec.image, pod.available_command(_AVAILABLE_WITHIN_S), _KEEPER_RESOURCES),
        ],
        "containers": [
            _container(GENERATOR, spec.image, pod.LOCUST_COMMAND, _generator_resources(plan.processes)),
            _container(
                KEEPER,
                spec.image,
                pod.sidecar_command("keep", pod.WORK_DIR, round(plan.timeout_s + KEPT_FOR_S)),
                _KEEPER_RESOURCES,
            ),
        ],
        "volumes": [
            {"name": "scripts", "configMap": {"name": spec.scripts, "items": pod.script_items()}},
            {"name": "payload", "configMap": {"name": spec.payload}},
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
        # Locust reads settings from where it is started; there are none here.
        "workingDir": str(pod.WORK_DIR),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
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
