"""Reads a pod's status: the states of its containers, why it waits, and why it ended. Pure functions of JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from provider.cluster.api import Json

# An exit code above this is the number of a signal plus this.
_SIGNAL_BASE = 128

# The condition of a pod that is evicted: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
_DISRUPTED = "DisruptionTarget"

# Reasons for which a container waits until somebody changes something.
_BLOCKING_REASONS = {"ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
# A registry may recover within this time.
_BLOCKED_LIMIT_S = 60.0

# Reasons of a container's end that say nothing more than its exit code.
_ORDINARY = {"Completed", "Error"}


def container_state(pod: Json, container: str) -> Json:
    """`{"running": …}`, `{"waiting": …}`, `{"terminated": …}`, or nothing before there is any."""
    return _status_of(pod, container).get("state") or {}


def image_id(pod: Json, container: str) -> str | None:
    """The image of a container, by digest where the container runtime reports it."""
    status = _status_of(pod, container)
    return status.get("imageID") or status.get("image")


def ready_after_s(pod: Json) -> float | None:
    """From the choice of its node until the pod was ready, in whole seconds; None while it is not, or after a restart.

    Conditions have the time of their last change:
    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions. A container that ends makes its
    pod not ready, so the time of its first start is then gone.
    """
    status = pod.get("status", {})
    if any(container.get("restartCount") for container in status.get("containerStatuses") or []):
        return None
    since = {
        condition["type"]: datetime.fromisoformat(condition["lastTransitionTime"])
        for condition in status.get("conditions") or []
        if condition.get("status") == "True" and condition.get("lastTransitionTime")
    }
    if not {"PodScheduled", "Ready"} <= since.keys():
        return None
    return max(0.0, (since["Ready"] - since["PodScheduled"]).total_seconds())


def exit_code(terminated: Json) -> int:
    """The exit code as Python reports a process's: minus the signal where one ended it."""
    code = int(terminated["exitCode"])
    return _SIGNAL_BASE - code if code > _SIGNAL_BASE else code


def killed_by(terminated: Json) -> str | None:
    """Why the cluster ended the container, such as OOMKilled; None where it did not."""
    reason = terminated.get("reason")
    return None if reason in _ORDINARY else reason


def loss_reason(pod: Json | None) -> str | None:
    """Why the pod is lost; None while it is not."""
    if pod is None:
        return "its pod was deleted"
    status = pod.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"its pod ended: {_text_of(status)}"
    return None


def termination_reason(pod: Json) -> str | None:
    """Why the pod is being terminated; None where it is not."""
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    conditions = pod.get("status", {}).get("conditions") or []
    disrupted = [
        _text_of(condition)
        for condition in conditions
        if condition["type"] == _DISRUPTED and condition["status"] == "True"
    ]
    return disrupted[0] if disrupted else "no reason given"


def pending_reason(pod: Json) -> str:
    """Why the pod does not run yet: from its containers, else from its scheduling; empty where unknown."""
    waiting = [(status.get("state") or {}).get("waiting") for status in container_statuses(pod)]
    reasons = [_text_of(state) for state in waiting if state and state.get("reason") not in {"PodInitializing", None}]
    conditions = pod.get("status", {}).get("conditions") or []
    unmet = [
        _text_of(condition) for condition in conditions if condition["status"] == "False" and "message" in condition
    ]
    return "; ".join(dict.fromkeys(reasons or unmet))


def _is_blocked(pod: Json) -> bool:
    """Whether a container waits for something that somebody has to change, such as the name of its image."""
    waiting = ((status.get("state") or {}).get("waiting") or {} for status in container_statuses(pod))
    return any(state.get("reason") in _BLOCKING_REASONS for state in waiting)


class Blockage:
    """How long pods have been blocked without a break."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def is_final(self, pods: Iterable[Json], now_s: float) -> bool:
        """Whether one of these pods is blocked, and one was at every call for longer than a registry may need."""
        self._since_s = (self._since_s or now_s) if any(map(_is_blocked, pods)) else None
        return self._since_s is not None and now_s - self._since_s > _BLOCKED_LIMIT_S


def _status_of(pod: Json, container: str) -> Json:
    return next((status for status in container_statuses(pod) if status["name"] == container), {})


def container_statuses(pod: Json) -> Iterable[dict[str, Any]]:
    """Those of its containers, init containers first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _text_of(status: Json) -> str:
    return ": ".join(filter(None, (status.get("reason"), status.get("message"))))
