"""Fetches what a load test left in its pod: rows, log, how the generator ended, and the offset of its clock."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtest.generator.pod.sidecar import SECONDS_AFTER_TERM, unpacked
from loadtest.result.validity.termination import EndedByRunner, Termination
from provider.cluster.api import RETRY_S, ClusterError, Json
from provider.cluster.clock_offset import ClockReading, timed_call
from provider.cluster.job_pod import LATE_RETRY_S, JobPod, last_message
from provider.cluster.load_job import GENERATOR, SIDECAR
from provider.cluster.pod_status import container_state, exit_code, killed_by, termination_reason

_LOG_LINES = 500
_LOG_LINES_SHOWN = 5

# A file is read in parts of this size: a lost connection then costs little.
_PART_BYTES = 4 * 2**20
_ATTEMPTS = 3

# How often the pod's clock is read: the quickest reading gives the best offset.
_CLOCK_READINGS = 3


@dataclass(frozen=True)
class JobResult:
    """How the generator ended, its log, its pod as last seen, and readings of the pod's clock."""

    termination: Termination
    log: str
    pod: Json
    clock: tuple[ClockReading, ...] = ()


def lost_result(pod: Json, lost_because: str, ended_by_runner: EndedByRunner | None, log: str = "") -> JobResult:
    """The result of a generator whose rows are lost."""
    return JobResult(Termination(None, None, ended_by_runner, (), lost_because=lost_because), log, pod)


def fetch_result(pod: JobPod, status: Json, ended_by_runner: EndedByRunner | None, folder: Path) -> JobResult:
    """Fetch it from the pod, whose `status` was read last, and the generator's files into the folder.

    Raises ClusterError where the cluster is unreachable.
    """
    terminating = termination_reason(status)
    try:
        return _fetch(pod, status, ended_by_runner, folder, SECONDS_AFTER_TERM if terminating else RETRY_S)
    except ClusterError as error:
        if not terminating:
            raise
        return lost_result(status, f"its pod was terminated ({terminating}), and {error}", ended_by_runner)


def _fetch(pod: JobPod, status: Json, ended_by_runner: EndedByRunner | None, folder: Path, retry_s: float) -> JobResult:
    log = pod.log(GENERATOR, _LOG_LINES)
    if "terminated" in container_state(status, SIDECAR):
        return lost_result(status, "the sidecar that keeps its rows ended", ended_by_runner, log)
    for file, (size, sha256) in json.loads(pod.sidecar("list", retry_s=retry_s)).items():
        _fetch_file(pod, folder / file, size, sha256, retry_s)
    return JobResult(_termination(status, log, ended_by_runner), log, status, tuple(_clock_readings(pod)))


def _termination(status: Json, log: str, ended_by_runner: EndedByRunner | None) -> Termination:
    terminated = container_state(status, GENERATOR).get("terminated")
    no_messages = [line for line in log.splitlines() if line.strip() and not line.startswith('{"event"')]
    return Termination(
        exit_code=exit_code(terminated) if terminated else None,
        totals=last_message(log, "totals"),
        ended_by_runner=ended_by_runner,
        last_log_lines=tuple(no_messages[-_LOG_LINES_SHOWN:]),
        killed_by=killed_by(terminated) if terminated else None,
        deletion_reason=termination_reason(status),
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
