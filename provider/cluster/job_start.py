"""Waits until the generator runs in its pod, or explains why it does not start."""

import time

from provider.cluster.api import Json
from provider.cluster.job_pod import JobPod
from provider.cluster.load_job import AVAILABLE, GENERATOR, PREPARE, SIDECAR
from provider.cluster.pod_status import Blockage, container_state, loss_reason, pending_reason
from provider.resource import Operation, ResourceError

# What the failure of an init container means.
_INIT_FAILURES = {
    PREPARE: "the load generator's pod could not write its request and its plan, so nothing was measured; correct the"
    " cause, and run `pulumi up` again",
    AVAILABLE: "the server gives the load generator's pod no correct answer, so nothing was measured; check the"
    " server's log, the Service and the namespace's NetworkPolicies",
}
_LOG_LINES = 20


def wait_for_start(pod: JobPod, operation: Operation, timeout_s: float) -> Json:
    """The pod once its containers run; raises ResourceError where it cannot, or the wait is cancelled."""
    began = time.monotonic()
    blockage = Blockage()
    while True:
        status = pod.read()
        if status is not None and all(_has_started(status, container) for container in (GENERATOR, SIDECAR)):
            return status
        if status is not None:
            _require_init_containers(pod, status)
            if lost := loss_reason(status):
                raise ResourceError(
                    f"the load generator was lost before it sent a request ({lost}), so nothing was measured; check the"
                    " load pool's nodes, and run `pulumi up` again"
                )
        now = time.monotonic()
        blocked = blockage.is_final([status] if status else [], now)
        if blocked or now - began > timeout_s:
            raise ResourceError(
                f"the load generator's pod did not start within {now - began:.0f} s, so nothing was measured:"
                f" {_pending_reason(pod, status).rstrip('.')}. Correct the cause, and run `pulumi up` again"
            )
        operation.status(f"waiting for the load generator's pod: {_pending_reason(pod, status)}")
        if operation.cancelled.wait(pod.poll_s):
            raise ResourceError("the load test was cancelled before it started, so nothing was measured")


def _has_started(status: Json, container: str) -> bool:
    return bool(container_state(status, container).keys() & {"running", "terminated"})


def _require_init_containers(pod: JobPod, status: Json) -> None:
    for container, failure in _INIT_FAILURES.items():
        terminated = container_state(status, container).get("terminated")
        if terminated and terminated["exitCode"] != 0:
            log = pod.log(container, _LOG_LINES)
            raise ResourceError(f"{failure}. The end of the log of the pod's container '{container}':\n{log}")


def _pending_reason(pod: JobPod, status: Json | None) -> str:
    if status is not None and (reason := pending_reason(status)):
        return reason
    events = pod.cluster.events(pod.name if status is not None else pod.job_name)
    return events[-1] if events else "the cluster gives no reason"
