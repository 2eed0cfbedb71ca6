"""What a pod's status says about its containers, in plain words. Pure functions of the API's JSON."""

from collections.abc import Iterable
from typing import Any

from provider.cluster.api import Json

# Exit codes above this are a signal's number more.
_SIGNAL_BASE = 128

# The condition of a pod that is evicted: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
_DISRUPTED = "DisruptionTarget"

# What a container's end is called when there is nothing to say about it.
_ORDINARY = {"Completed", "Error"}


def state_of(pod: Json, container: str) -> Json:
    """`{"running": …}`, `{"waiting": …}`, `{"terminated": …}`, or nothing before there is any."""
    for status in _statuses(pod):
        if status["name"] == container:
            state: Json = status.get("state") or {}
            return state
    return {}


def image_id(pod: Json, container: str) -> str | None:
    """The image that runs in it, by digest where the container runtime says it."""
    ids = [status.get("imageID") or status.get("image") for status in _statuses(pod) if status["name"] == container]
    return ids[0] if ids else None


def exit_code(terminated: Json) -> int:
    """As a process's: minus the signal where one ended it."""
    code = int(terminated["exitCode"])
    return _SIGNAL_BASE - code if code > _SIGNAL_BASE else code


def killed_by(terminated: Json) -> str | None:
    """Why the cluster ended it, where it says more than that it ended."""
    reason = terminated.get("reason")
    return None if reason in _ORDINARY else reason


def loss(pod: Json | None) -> str | None:
    """What became of a pod that will not come back; None while it may."""
    if pod is None:
        return "its pod was deleted"
    status = pod.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"its pod ended: {_said(status)}"
    return None


def told_to_end(pod: Json) -> str | None:
    """Why a pod that still runs has been told to end; None where it has not."""
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    conditions = pod.get("status", {}).get("conditions") or []
    disrupted = [_said(each) for each in conditions if each["type"] == _DISRUPTED and each["status"] == "True"]
    return disrupted[0] if disrupted else "it was deleted"


def obstacles(pod: Json) -> str:
    """Why it does not run yet: of its containers, else of its scheduling; empty where nobody says."""
    waiting = [(status.get("state") or {}).get("waiting") for status in _statuses(pod)]
    said = [_said(state) for state in waiting if state and state.get("reason") not in {"PodInitializing", None}]
    conditions = pod.get("status", {}).get("conditions") or []
    unmet = [_said(condition) for condition in conditions if condition["status"] == "False" and "message" in condition]
    return "; ".join(dict.fromkeys(said or unmet))


def waits_for(pod: Json) -> set[str]:
    """The reasons for which its containers wait."""
    return {(status.get("state") or {}).get("waiting", {}).get("reason", "") for status in _statuses(pod)} - {""}


def _statuses(pod: Json) -> Iterable[dict[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _said(status: Json) -> str:
    return ": ".join(filter(None, (status.get("reason"), status.get("message"))))
