"""The pods of a load test's Job: their start, status and log, what their sidecars answer, and their deletion."""

import contextlib
import time
from collections.abc import Sequence
from typing import ClassVar

from loadtest.generator.pod.sidecar import TOKEN_HEADER
from loadtest.run import pod as layout
from provider.cluster.api import LATE_RETRY_S, RETRY_S, Cluster, ClusterError, Json, PodRequest
from provider.cluster.load_job import GENERATOR, JOB_LABEL, PREPARE, SIDECAR, token_of
from provider.cluster.pod_status import Blockage, container_state, loss_reason, pending_reason
from provider.resource import Operation, ResourceError
from stacks.names import MASTER_PORT, SIDECAR_PORT

# What Kubernetes calls the number of a pod in a Job of several.
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"

_DELETION_LIMIT_S, _DELETION_POLL_S = 120.0, 0.5

# How long the sidecar of a pod that has started may be unreachable, in seconds.
_REACHABLE_WITHIN_S = 60.0

_LOG_LINES = 20


class JobPod:
    """One of the pods of a Job, which replaces none; the master of several is in the first."""

    poll_s: ClassVar[float] = 2.0
    """How often its status is read while it runs: progress comes once a second, and a person needs no more."""

    def __init__(self, cluster: Cluster, job: Json, index: int = 0) -> None:
        self.cluster = cluster
        self.job = job
        self.index = index
        self.job_name: str = job["metadata"]["name"]
        self.status: Json = {}
        """The pod as the API last returned it; empty before there was one."""

    def read(self) -> Json | None:
        """The pod now; None where it is not created yet, or deleted."""
        pods = self.cluster.pods(f"{JOB_LABEL}={self.job_name}")
        # A Job of one pod has no index.
        pods = [pod for pod in pods if pod["metadata"].get("labels", {}).get(_INDEX_LABEL, "0") == str(self.index)]
        if self.status:
            pods = [pod for pod in pods if pod["metadata"]["uid"] == self.status["metadata"]["uid"]]
        if not pods:
            return None
        self.status = pods[0]
        return self.status

    @property
    def name(self) -> str:
        """The name of the pod, which must have been read."""
        return str(self.status["metadata"]["name"])

    @property
    def node(self) -> str | None:
        """The node that it runs on; None before it runs."""
        return (self.status.get("spec") or {}).get("nodeName")

    def state(self, container: str) -> Json:
        """The state of a container when the pod was last read: provider.cluster.pod_status.container_state."""
        return container_state(self.status, container)

    def has_started(self, container: str) -> bool:
        """Whether the container runs or has ended."""
        return bool(self.state(container).keys() & {"running", "terminated"})

    def log(self, container: str, lines: int) -> str:
        return self.cluster.log(self.name, container, lines)

    def sidecar(self, command: str, *arguments: str, retry_s: float = RETRY_S) -> str:
        """The answer of the sidecar to one of its commands."""
        request = PodRequest(SIDECAR_PORT, "/".join((command, *arguments)), {TOKEN_HEADER: token_of(self.job)})
        return self.cluster.ask(self.name, SIDECAR, layout.sidecar_command(command, *arguments), request, retry_s)

    def require_sidecar(self) -> None:
        """Raise ClusterError where the sidecar does not answer within a minute: its rows cannot be fetched now."""
        self.sidecar("clock", retry_s=_REACHABLE_WITHIN_S)


def pods_of(cluster: Cluster, job: Json) -> list[JobPod]:
    """The pods of a Job, the one with the master first."""
    return [JobPod(cluster, job, index) for index in range(job.get("spec", {}).get("completions") or 1)]


def start_job(pods: Sequence[JobPod], timeout_s: float, operation: Operation) -> None:
    """Create the pods' Job, and return when the test runs and its rows can be fetched; raises ResourceError if not."""
    first = pods[0]
    first.cluster.create_job(first.job)
    began = time.monotonic()
    for pod in pods:
        _wait_for_start(pod, began, timeout_s, operation)
        _require_sidecar(pod)
    if len(pods) > 1:
        for pod in pods:
            pod.sidecar("master", str(first.status["status"]["podIP"]), str(MASTER_PORT))


def _require_sidecar(pod: JobPod) -> None:
    try:
        pod.require_sidecar()
    except ClusterError as error:  # better now than after the test
        raise ResourceError(
            "the load generator's pod gave this machine no usable answer. Its rows could not have been fetched after"
            " the test, so the test was ended at its start. `pulumi up` needs one of two ways into the pod: a WebSocket"
            " to its exec endpoint, all the way to the cluster (that `kubectl exec` works does not prove it); or the"
            f" API server's proxy to its port {SIDECAR_PORT}. Make one of them work, then run `pulumi up` again. The"
            f" cause: {error}"
        ) from None


def _wait_for_start(pod: JobPod, began: float, timeout_s: float, operation: Operation) -> None:
    """Until the pod's containers run; raises ResourceError where they cannot, or the wait is cancelled."""
    blockage = Blockage()
    while True:
        status = pod.read()
        if status and pod.has_started(GENERATOR) and pod.has_started(SIDECAR):
            return
        if status:
            _require_prepared(pod)
            if lost := loss_reason(status):
                raise ResourceError(
                    f"the load generator was lost before it sent a request ({lost}), so nothing was measured; check the"
                    " load pool's nodes, and run `pulumi up` again"
                )
        now = time.monotonic()
        blocked = blockage.is_final([status] if status else [], now)
        reason = (pending_reason(status) if status else "") or _last_event(pod, pod.name if status else pod.job_name)
        if blocked or now - began > timeout_s:
            raise ResourceError(
                f"the load generator's pod did not start within {now - began:.0f} s, so nothing was measured:"
                f" {reason.rstrip('.')}. Correct the cause, and run `pulumi up` again"
            )
        operation.status(f"waiting for the load generator's pod: {reason}")
        if operation.cancelled.wait(pod.poll_s):
            raise ResourceError("the load test was cancelled before it started, so nothing was measured")


def _require_prepared(pod: JobPod) -> None:
    """Raise ResourceError where the init container failed."""
    ended = pod.state(PREPARE).get("terminated")
    if ended and ended["exitCode"] != 0:
        raise ResourceError(
            "the load generator's pod could not write its request and its plan, or the server gave it no correct"
            " answer, so nothing was measured; correct the cause, and run `pulumi up` again. The end of the log of the"
            f" pod's container '{PREPARE}':\n{pod.log(PREPARE, _LOG_LINES)}"
        )


def _last_event(pod: JobPod, of: str) -> str:
    events = pod.cluster.events(of)
    return events[-1] if events else "the cluster gives no reason"


def remove_job(pods: Sequence[JobPod], operation: Operation) -> None:
    """End the pods and delete their Job. A Job that cannot be deleted now is logged."""
    try:
        for pod in pods:
            if "running" in pod.state(SIDECAR):
                with contextlib.suppress(ClusterError):  # then the sidecar only ends later
                    pod.sidecar("release", retry_s=LATE_RETRY_S)
        delete_job(pods[0])
    except ClusterError as error:
        operation.info(f"the Job {pods[0].job_name} may still exist, and the next update deletes it: {error}")


def delete_job(pod: JobPod) -> None:
    """Delete the Job of the pod, and wait until it and all its pods are gone; raises ClusterError when they stay."""
    pod.cluster.delete_job(pod.job_name)
    deadline = time.monotonic() + _DELETION_LIMIT_S
    selector = f"{JOB_LABEL}={pod.job_name}"
    while pod.cluster.jobs(selector) or pod.cluster.pods(selector):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Job {pod.job_name} was deleted but still exists after {_DELETION_LIMIT_S:.0f} s, so its load may"
                f" continue; wait until `kubectl get pods -l {selector} --all-namespaces` lists nothing, then run"
                " the same Pulumi command again"
            )
        time.sleep(_DELETION_POLL_S)
