"""Follows a running load test in its pod to its end, and interrupts it when it must end early."""

import contextlib
import time
from collections.abc import Callable

from loadtest.generator.pod.sidecar import SECONDS_AFTER_TERM
from loadtest.result.validity.termination import EndedByRunner, reason_to_end
from loadtest.run.progress import Progress
from provider.cluster.api import ClusterError, Json
from provider.cluster.job_pod import LATE_RETRY_S, JobPod, last_message
from provider.cluster.load_job import GENERATOR
from provider.cluster.pod_status import container_state, loss_reason, termination_reason
from provider.resource import Operation

_LOG_LINES = 20

# How long an interrupted generator has to write its rows and to end, in seconds.
_INTERRUPT_LIMIT_S = 30.0

# How long to wait for the generator in a pod that is being terminated, in seconds; the other half of the sidecar's
# time is for fetching the rows.
_TERMINATION_LIMIT_S = SECONDS_AFTER_TERM / 2


def follow(
    pod: JobPod,
    operation: Operation,
    on_progress: Callable[[Progress], None],
    test_s: float,
    end_because: EndedByRunner | None = None,
) -> tuple[str | None, EndedByRunner | None]:
    """Report progress until the generator has ended or must end, at once where `end_because` is given.

    Returns why the pod was lost, and why the test was interrupted; None for what did not happen.
    """
    deadline = time.monotonic() + test_s
    ended_by_runner: EndedByRunner | None = None
    terminating_since: float | None = None
    while True:
        status = pod.read()
        if lost := loss_reason(status):
            return lost, ended_by_runner
        if status is None or "terminated" in container_state(status, GENERATOR):
            return None, ended_by_runner
        if ended_by_runner and time.monotonic() > deadline:
            return None, ended_by_runner
        log = _log(pod)
        if termination_reason(status):
            terminating_since = terminating_since or time.monotonic()
        late = terminating_since and time.monotonic() - terminating_since > _TERMINATION_LIMIT_S
        if late or _has_written_rows(status, log):
            return None, ended_by_runner
        if not ended_by_runner and (ended_by_runner := end_because or reason_to_end(operation.cancelled, deadline)):
            deadline = time.monotonic() + _INTERRUPT_LIMIT_S
            with contextlib.suppress(ClusterError):  # it has ended by itself
                pod.sidecar("interrupt", retry_s=LATE_RETRY_S)
        if progress := last_message(log, "progress"):
            on_progress(Progress(**{name: value for name, value in progress.items() if name != "event"}))
        time.sleep(pod.poll_s) if ended_by_runner else operation.cancelled.wait(pod.poll_s)


def _log(pod: JobPod) -> str:
    try:
        return pod.log(GENERATOR, _LOG_LINES)
    except ClusterError:
        return ""  # it is for display only; the pod's status tells whether the pod is lost


def _has_written_rows(status: Json, log: str) -> bool:
    """Whether a generator that was interrupted from outside has written its rows.

    Its end is not reported then: a kubelet that terminates a pod reports no container before all have ended, the
    sidecar included (SyncTerminatingPod). A kubelet that does so on its own does not even report the termination.
    """
    totals = last_message(log, "totals")
    if totals is None:
        return False
    stop = totals["stop"]
    return termination_reason(status) is not None or (stop is not None and stop["cause"] == "interrupted")
