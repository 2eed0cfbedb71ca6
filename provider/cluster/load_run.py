"""One load test in a cluster: starts its Job, follows it to its end, fetches its result, and deletes the Job."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from loadtest.result.validity.termination import EndedByRunner
from loadtest.run.progress import Progress
from provider.cluster.api import Cluster, ClusterError
from provider.cluster.job_pod import LATE_RETRY_S, JobPod
from provider.cluster.job_progress import follow
from provider.cluster.job_result import JobResult, fetch_result, lost_result
from provider.cluster.job_start import wait_for_start
from provider.cluster.load_job import JOB_LABEL, SIDECAR
from provider.cluster.pod_status import container_state
from provider.resource import Operation, ResourceError
from stacks.names import SIDECAR_PORT

_DELETION_LIMIT_S, _DELETION_POLL_S = 120.0, 0.5

# How long the sidecar of a pod that has started may be unreachable, in seconds.
REACHABLE_WITHIN_S = 60.0


def start_job(pod: JobPod, start_s: float, operation: Operation) -> None:
    """Create the pod's Job, and return when the test runs; raises ResourceError where it does not within `start_s`."""
    pod.cluster.create_job(pod.job)
    wait_for_start(pod, operation, start_s)
    _require_sidecar(pod)


def finish_job(
    pod: JobPod,
    folder: Path,
    test_s: float,
    operation: Operation,
    on_progress: Callable[[Progress], None],
    end_because: EndedByRunner | None = None,
) -> JobResult:
    """Follow a Job that has started to its end, and fetch the generator's files into the folder.

    It ends after `test_s`, when the operation is cancelled, or at once where `end_because` is given. Raises
    ClusterError where the cluster was unreachable for too long: the rows are then in the pod still.
    """
    lost_because, ended_by_runner = follow(pod, operation, on_progress, test_s, end_because)
    if lost_because:
        return lost_result(pod.last_seen or {}, lost_because, ended_by_runner)
    return fetch_result(pod, pod.last_seen or {}, ended_by_runner, folder)


def _require_sidecar(pod: JobPod) -> None:
    """Raise ResourceError where the rows could not be fetched: better now than after the test."""
    try:
        pod.sidecar("clock", retry_s=REACHABLE_WITHIN_S)
    except ClusterError as error:
        raise ResourceError(
            "the load generator's pod gave this machine no usable answer. Its rows could not have been fetched after"
            " the test, so the test was ended at its start. `pulumi up` needs one of two ways into the pod: a WebSocket"
            " to its exec endpoint, all the way to the cluster (that `kubectl exec` works does not prove it); or the"
            f" API server's proxy to its port {SIDECAR_PORT}. Make one of them work, then run `pulumi up` again. The"
            f" cause: {error}"
        ) from None


def remove_job(pod: JobPod, operation: Operation) -> None:
    """End the pod and delete its Job. A Job that cannot be deleted now is logged."""
    try:
        if pod.last_seen is not None and "running" in container_state(pod.last_seen, SIDECAR):
            with contextlib.suppress(ClusterError):  # then the sidecar only ends later
                pod.sidecar("release", retry_s=LATE_RETRY_S)
        delete_and_wait(pod.cluster, pod.job_name)
    except ClusterError as error:
        operation.info(f"the Job {pod.job_name} may still exist, and the next update deletes it: {error}")


def delete_and_wait(cluster: Cluster, job_name: str) -> None:
    """Delete a Job, and wait until it and its pods are gone; raises ClusterError when they stay."""
    cluster.delete_job(job_name)
    deadline = time.monotonic() + _DELETION_LIMIT_S
    selector = f"{JOB_LABEL}={job_name}"
    while cluster.jobs(selector) or cluster.pods(selector):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Job {job_name} was deleted but still exists after {_DELETION_LIMIT_S:.0f} s, so its load may"
                f" continue; wait until `kubectl get pods -l {selector} --all-namespaces` lists nothing, then run"
                " the same Pulumi command again"
            )
        time.sleep(_DELETION_POLL_S)
