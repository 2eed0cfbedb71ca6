"""Follows a load test in its pods to its end, and fetches what it left: rows, log, how it ended, and its clock."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtest.generator.pod.sidecar import SECONDS_AFTER_TERM, unpacked
from loadtest.result.validity.termination import EndedByRunner, Termination, reason_to_end
from loadtest.run.progress import Progress
from provider.cluster.api import LATE_RETRY_S, RETRY_S, ClusterError
from provider.cluster.job_pod import JobPod
from provider.cluster.load_job import GENERATOR, SIDECAR, plan_of
from provider.cluster.pod_sampler import ClockReading, timed_call
from provider.cluster.pod_status import exit_code, killed_by, loss_reason, termination_reason
from provider.resource import Operation

_LOG_LINES, _LOG_LINES_SHOWN = 500, 5
_PROGRESS_LINES = 20

# How long an interrupted generator has to write its rows and to end, in seconds.
_INTERRUPT_LIMIT_S = 30.0

# How long to wait for the generator in a pod that is being terminated, in seconds; the other half of the sidecar's
# time is for fetching the rows.
_TERMINATION_LIMIT_S = SECONDS_AFTER_TERM / 2

# A file is read in parts of this size: a lost connection then costs little.
_PART_BYTES = 4 * 2**20
_ATTEMPTS = 3

# How often the pod's clock is read: the quickest reading gives the best offset.
_CLOCK_READINGS = 3


@dataclass(frozen=True)
class JobResult:
    """How the generator ended, its log, and readings of the clock that its rows are on."""

    termination: Termination
    log: str = ""
    clock: tuple[ClockReading, ...] = ()


def finish_job(
    pods: Sequence[JobPod],
    folder: Path,
    operation: Operation,
    on_progress: Callable[[Progress], None],
    end_because: EndedByRunner | None = None,
) -> JobResult:
    """Follow a Job that has started to its end, and fetch the generator's files into the folder.

    It ends by its plan, when the operation is cancelled, when one of several pods is lost, or at once where
    `end_because` is given. Raises ClusterError where the cluster was unreachable for too long: the rows are then in the
    pods still.
    """
    first, *others = pods
    lost_because, ended_by_runner = _follow(first, others, operation, on_progress, end_because)
    # Before those of the first: the rows of a pod that is being terminated are there for half a minute.
    lost = [(other.index, why) for other in others if (why := _fetch_other(other, folder))]
    lost_pods = tuple(f"number {index + 1} of {len(pods)}: {why}" for index, why in lost)
    result = _lost(lost_because, ended_by_runner) if lost_because else _result_of(first, folder, ended_by_runner)
    return replace(result, termination=replace(result.termination, lost_pods=lost_pods))


def _result_of(pod: JobPod, folder: Path, ended_by_runner: EndedByRunner | None) -> JobResult:
    terminating = termination_reason(pod.status)
    try:
        return fetch_result(pod, ended_by_runner, folder, SECONDS_AFTER_TERM if terminating else RETRY_S)
    except ClusterError as error:
        if not terminating:
            raise
        return _lost(f"its pod was terminated ({terminating}), and {error}", ended_by_runner)


def _fetch_other(pod: JobPod, folder: Path) -> str | None:
    """Fetch the rows of a pod without the master; returns why the pod was lost, None where it was not."""
    if lost := loss_reason(pod.read()):
        return lost
    if not pod.has_started(SIDECAR):
        return "it had not started"
    if lost := _end_without_master(pod):
        return lost
    terminating = termination_reason(pod.status)
    try:
        if "terminated" in pod.state(SIDECAR):
            return "the sidecar that keeps its rows ended"
        _fetch_files(pod, folder, SECONDS_AFTER_TERM if terminating else RETRY_S)
    except ClusterError as error:
        if not terminating:
            raise
        return f"it was terminated ({terminating}), and {error}"
    return terminating or killed_by(pod.state(GENERATOR).get("terminated") or {})


def _end_without_master(pod: JobPod) -> str | None:
    """Wait until the workers of a pod have written their rows and ended: by themselves, if the master was not lost.

    Returns why the pod was lost meanwhile.
    """
    deadline = time.monotonic() + _INTERRUPT_LIMIT_S
    lost = None
    with contextlib.suppress(ClusterError):  # it has ended by itself
        pod.sidecar("interrupt", retry_s=LATE_RETRY_S)
    while not lost and "terminated" not in pod.state(GENERATOR) and time.monotonic() < deadline:
        if termination_reason(pod.status):
            return None  # its end is not reported then, and its rows are not there for long
        time.sleep(pod.poll_s)
        lost = loss_reason(pod.read())
    return lost


def _lost(lost_because: str, ended_by_runner: EndedByRunner | None, log: str = "") -> JobResult:
    """The result of a generator whose rows are lost."""
    return JobResult(Termination(None, None, ended_by_runner, (), lost_because=lost_because), log)


def _follow(
    pod: JobPod,
    others: Sequence[JobPod],
    operation: Operation,
    on_progress: Callable[[Progress], None],
    end_because: EndedByRunner | None,
) -> tuple[str | None, EndedByRunner | None]:
    """Report progress until the generator has ended or must end, and interrupt it when it must.

    Returns why the pod was lost, and why the test was interrupted; None for what did not happen.
    """
    deadline = time.monotonic() + plan_of(pod.job).timeout_s
    ended_by_runner: EndedByRunner | None = None
    interrupted = False
    terminating_since: float | None = None
    while True:
        if lost := loss_reason(pod.read()):
            return lost, ended_by_runner
        if "terminated" in pod.state(GENERATOR) or (interrupted and time.monotonic() > deadline):
            return None, ended_by_runner
        log = _log(pod)
        if termination_reason(pod.status):
            terminating_since = terminating_since or time.monotonic()
        late = terminating_since and time.monotonic() - terminating_since > _TERMINATION_LIMIT_S
        if late or _has_written_rows(pod, log):
            return None, ended_by_runner
        if not interrupted and (
            (ended_by_runner := end_because or reason_to_end(operation.cancelled, deadline))
            or any(map(_is_lost, others))
        ):
            interrupted = True
            deadline = time.monotonic() + _INTERRUPT_LIMIT_S
            with contextlib.suppress(ClusterError):  # it has ended by itself
                pod.sidecar("interrupt", retry_s=LATE_RETRY_S)
        if progress := last_message(log, "progress"):
            on_progress(Progress(**{name: value for name, value in progress.items() if name != "event"}))
        time.sleep(pod.poll_s) if interrupted else operation.cancelled.wait(pod.poll_s)


def _is_lost(pod: JobPod) -> bool:
    """Whether the pod is gone, or about to be."""
    return loss_reason(pod.read()) is not None or termination_reason(pod.status) is not None


def _log(pod: JobPod) -> str:
    try:
        return pod.log(GENERATOR, _PROGRESS_LINES)
    except ClusterError:
        return ""  # it is for display only; the pod's status tells whether the pod is lost


def _has_written_rows(pod: JobPod, log: str) -> bool:
    """Whether a generator that was interrupted from outside has written its rows.

    Its end is not reported then: a kubelet that terminates a pod reports no container before all have ended, the
    sidecar included (SyncTerminatingPod). A kubelet that does so on its own does not even report the termination.
    """
    totals = last_message(log, "totals")
    if totals is None:
        return False
    stop = totals["stop"]
    return termination_reason(pod.status) is not None or (stop is not None and stop["cause"] == "interrupted")


def last_message(log: str, event: str) -> dict[str, Any] | None:
    """The last message of this kind in the generator's log, which has lines of Locust's own, too."""
    for line in reversed(log.splitlines()):
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict) and message.get("event") == event:
                return message
    return None


def fetch_result(pod: JobPod, ended_by_runner: EndedByRunner | None, folder: Path, retry_s: float) -> JobResult:
    """Fetch it from the pod, and the generator's files into the folder; raises ClusterError."""
    log = pod.log(GENERATOR, _LOG_LINES)
    if "terminated" in pod.state(SIDECAR):
        return _lost("the sidecar that keeps its rows ended", ended_by_runner, log)
    _fetch_files(pod, folder, retry_s)
    return JobResult(_termination(pod, log, ended_by_runner), log, tuple(_clock_readings(pod)))


def _fetch_files(pod: JobPod, folder: Path, retry_s: float) -> None:
    for file, (size, sha256) in json.loads(pod.sidecar("list", retry_s=retry_s)).items():
        _fetch_file(pod, folder / file, size, sha256, retry_s)


def _termination(pod: JobPod, log: str, ended_by_runner: EndedByRunner | None) -> Termination:
    terminated = pod.state(GENERATOR).get("terminated")
    no_messages = [line for line in log.splitlines() if line.strip() and not line.startswith('{"event"')]
    return Termination(
        exit_code=exit_code(terminated) if terminated else None,
        totals=last_message(log, "totals"),
        ended_by_runner=ended_by_runner,
        last_log_lines=tuple(no_messages[-_LOG_LINES_SHOWN:]),
        killed_by=killed_by(terminated) if terminated else None,
        deletion_reason=termination_reason(pod.status),
    )


def _clock_readings(pod: JobPod) -> Iterator[ClockReading]:
    """Readings of the clock that the rows are on; none where it cannot be read, which costs samples only."""
    with contextlib.suppress(ClusterError):
        for _ in range(_CLOCK_READINGS):
            sent_s, received_s, answer = timed_call(lambda: pod.sidecar("clock", retry_s=LATE_RETRY_S))
            yield ClockReading(sent_s, received_s, float(answer))


def _fetch_file(pod: JobPod, path: Path, size: int, sha256: str, retry_s: float) -> None:
    """Fetch a file part by part. It has its name only when it is complete, so that no reader takes half of it."""
    incomplete = path.with_suffix(".part")
    try:
        for _ in range(_ATTEMPTS):
            digest = hashlib.sha256()
            with incomplete.open("wb") as file:
                for part in _parts(pod, path.name, size, retry_s):
                    digest.update(part)
                    file.write(part)
            if incomplete.stat().st_size == size and digest.hexdigest() == sha256:
                incomplete.rename(path)
                return
    finally:
        incomplete.unlink(missing_ok=True)
    raise ClusterError(
        f"{path.name} was fetched from the load generator's pod {_ATTEMPTS} times, and its length or sha256 never"
        " matched; run `pulumi up` again"
    )


def _parts(pod: JobPod, file: str, size: int, retry_s: float) -> Iterator[bytes]:
    for offset in range(0, size, _PART_BYTES):
        # Not beyond the listed size: a generator that could not be ended may still be writing.
        text = pod.sidecar("read", file, str(offset), str(min(_PART_BYTES, size - offset)), retry_s=retry_s)
        with contextlib.suppress(ValueError):  # the digest will not match, and the file is read again
            yield unpacked(text.strip())
