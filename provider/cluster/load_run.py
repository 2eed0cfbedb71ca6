"""One load test in a cluster: create its Job, wait for its start, follow it, fetch its result, and delete the Job."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from loadtest.result.outcome import Progress
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
_REACHABLE_WITHIN_S = 60.0


def run_job(
    pod: JobPod,
    folder: Path,
    start_s: float,
    test_s: float,
    operation: Operation,
    on_progress: Callable[[Progress], None],
) -> JobResult:
    """Run the pod's Job to its end, or until the operation is cancelled; the Job is deleted in every case.

    The generator's files are fetched into the folder.
    `start_s` and `test_s` are how long the pod may take to start, and the test to end. Raises ResourceError where the
    test could not start, or the cluster was unreachable for too long.
    """
    try:
        pod.cluster.create_job(pod.job)
        started = wait_for_start(pod, operation, start_s)
        _require_sidecar(pod)
        lost_because, ended_by_runner = follow(pod, operation, on_progress, test_s)
        if lost_because:
            return lost_result(started, lost_because, ended_by_runner)
        return fetch_result(pod, pod.last_seen or started, ended_by_runner, folder)
    finally:
        try:
            if pod.last_seen is not None and "running" in container_state(pod.last_seen, SIDECAR):
                with contextlib.suppress(ClusterError):  # then the sidecar only ends later
                    pod.sidecar("release", retry_s=LATE_RETRY_S)
            delete_and_wait(pod.cluster, pod.job_name)
        except ClusterError as error:
            operation.info(f"the Job {pod.job_name} may still exist, and the next update deletes it: {error}")


def _require_sidecar(pod: JobPod) -> None:
    """Raise ResourceError where the rows could not be fetched: better now than after the test."""
    try:
        pod.sidecar("clock", retry_s=_REACHABLE_WITHIN_S)
    except ClusterError as error:
        raise ResourceError(
            f"the rows could not be fetched from the load generator's pod, so the test was ended at its start: {error}."
            " One of two ways must work: `kubectl exec` from this machine, which needs WebSockets all the way to the"
            f" cluster, or the API server's proxy to port {SIDECAR_PORT} of the pod"
        ) from None


def delete_and_wait(cluster: Cluster, job_name: str) -> None:
    """Delete a Job, and wait until it and its pods are gone; raises ClusterError when they stay."""
    cluster.delete_job(job_name)
    deadline = time.monotonic() + _DELETION_LIMIT_S
    selector = f"{JOB_LABEL}={job_name}"
    while cluster.jobs(selector) or cluster.pods(selector):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Job {job_name} was deleted but still exists after {_DELETION_LIMIT_S:.0f} s, so its load may"
                f" continue; `kubectl get pods -l {selector}` shows what is left"
            )
        time.sleep(_DELETION_POLL_S)
