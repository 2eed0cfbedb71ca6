"""One load test in a cluster: its Job is made, followed, emptied of all that it left, and removed, in every case."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from loadtest.generator.pod.sidecar import SECONDS_AFTER_TERM, unpacked
from loadtest.result.outcome import Progress
from loadtest.result.validity.termination import EndedByRunner, Termination
from loadtest.run import pod as layout
from provider.clocks import ClockReading, timed
from provider.cluster.api import PATIENCE_S, Cluster, ClusterError, Json
from provider.cluster.load_job import AVAILABLE, GENERATOR, JOB_LABEL, KEEPER, PREPARE
from provider.cluster.pod_status import exit_code, killed_by, loss, obstacles, state_of, told_to_end, waits_for
from provider.resource import Operation, ResourceError

# How often the pod is looked at, in seconds. Progress comes once a second; a person needs no more than this.
_LOOK_S = 2.0

# How long an interrupted generator has to write its rows and to end, and a deleted Job to be gone, in seconds.
_INTERRUPTED_S = 30.0
_DELETED_S = 120.0

# How long a generator whose pod was told to end is waited for, in seconds: as long again is left to fetch its rows.
_TOLD_S = SECONDS_AFTER_TERM / 2

# How long a command is tried that may come too late, in seconds.
_LATE_S = 10.0

# Waiting for one of these does not end by itself; so long it is hoped that it was a passing trouble of a registry.
_HOPELESS = {"ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
_HOPE_S = 60.0

# What it means that a container that comes before the generator failed.
_BEFORE = {
    PREPARE: "the load generator's pod could not lay out its request and its plan",
    AVAILABLE: "the server does not answer the load generator's pod, so nothing was measured",
}

_TAIL_LINES = 20
_LOG_LINES = 500
_LOG_LINES_SHOWN = 5

# So much of a file is asked for at a time: a lost connection then costs little.
_PART_BYTES = 4 * 2**20
_TRIES = 3

# How often the pod's clock is read: the quickest of these says best how far it is from ours.
_CLOCK_READINGS = 3


@dataclass(frozen=True)
class Patience:
    """How long the pod may take to start, and the test to end, in seconds."""

    start_s: float
    test_s: float


@dataclass(frozen=True)
class Brought:
    """What a Job left: how the generator ended, the files it wrote, its log, its pod as it was last seen, its clock."""

    ending: Termination
    files: dict[str, bytes]
    log: str
    pod: Json
    clock: tuple[ClockReading, ...] = ()


class LoadRun:
    """The Job `job`, from its creation to its removal."""

    def __init__(
        self,
        cluster: Cluster,
        operation: Operation,
        job: Json,
        patience: Patience,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._cluster = cluster
        self._operation = operation
        self._job = job
        self._name: str = job["metadata"]["name"]
        self._patience = patience
        self._on_progress = on_progress
        self._pod: Json | None = None

    def bring_back(self) -> Brought:
        """Run it to its end, or until the operation is cancelled.

        Raises ResourceError where the test could not begin, or the cluster stayed away for too long.
        """
        try:
            self._cluster.create_job(self._job)
            started = self._wait_for_start()
            lost_with, ended_for = self._follow()
            if lost_with:
                return Brought(Termination(None, None, ended_for, (), lost_because=lost_with), {}, "", started)
            return self._fetch(self._pod or started, ended_for)
        finally:
            self._clear_away()

    def _look(self) -> Json | None:
        pods = self._cluster.pods(f"{JOB_LABEL}={self._name}")
        if self._pod is not None:
            pods = [pod for pod in pods if pod["metadata"]["uid"] == self._pod["metadata"]["uid"]]
        self._pod = pods[0] if pods else self._pod
        return pods[0] if pods else None

    def _wait_for_start(self) -> Json:
        began = time.monotonic()
        hopeless_since: float | None = None
        while True:
            pod = self._look()
            if pod is not None and state_of(pod, GENERATOR).keys() & {"running", "terminated"}:
                return pod
            if pod is not None:
                self._require_prepared(pod)
                if lost_with := loss(pod):
                    raise ResourceError(f"the load generator was lost before it asked anything: {lost_with}")
            now = time.monotonic()
            hopeless = pod is not None and bool(waits_for(pod) & _HOPELESS)
            hopeless_since = (hopeless_since or now) if hopeless else None
            if now - began > self._patience.start_s or (hopeless_since and now - hopeless_since > _HOPE_S):
                raise ResourceError(
                    f"the load generator's pod did not start within {now - began:.0f} s, so nothing was measured:"
                    f" {self._why_not(pod)}"
                )
            self._operation.show(f"waiting for the load generator's pod: {self._why_not(pod)}")
            if self._operation.cancelled.wait(_LOOK_S):
                raise ResourceError("the load test was cancelled before it began, so nothing was measured")

    def _require_prepared(self, pod: Json) -> None:
        for container, trouble in _BEFORE.items():
            ended = state_of(pod, container).get("terminated")
            if ended and ended["exitCode"] != 0:
                log = self._cluster.log(pod["metadata"]["name"], container, _TAIL_LINES)
                raise ResourceError(f"{trouble}:\n{log}")

    def _why_not(self, pod: Json | None) -> str:
        why = obstacles(pod) if pod is not None else ""
        if why:
            return why
        events = self._cluster.events(pod["metadata"]["name"] if pod is not None else self._name)
        return events[-1] if events else "the cluster has not said why"

    def _follow(self) -> tuple[str | None, EndedByRunner | None]:
        """Pass on progress until the generator has ended; returns what it was lost with, and why it was ended."""
        deadline = time.monotonic() + self._patience.test_s
        ended_for: EndedByRunner | None = None
        told_at: float | None = None
        while True:
            pod = self._look()
            if lost_with := loss(pod):
                return lost_with, ended_for
            if pod is None or "terminated" in state_of(pod, GENERATOR):
                return None, ended_for
            name = pod["metadata"]["name"]
            if ended_for and time.monotonic() > deadline:
                return None, ended_for
            said = _messages(self._log_of(name, _TAIL_LINES))
            if told_to_end(pod):
                told_at = told_at or time.monotonic()
            if _has_said_all(pod, said) or (told_at and time.monotonic() - told_at > _TOLD_S):
                return None, ended_for
            if not ended_for and (ended_for := self._why_to_end(deadline)):
                deadline = time.monotonic() + _INTERRUPTED_S
                with contextlib.suppress(ClusterError):  # it has ended by itself
                    self._cluster.execute(name, GENERATOR, layout.INTERRUPT_COMMAND, _LATE_S)
            self._show_progress(said)
            time.sleep(_LOOK_S) if ended_for else self._operation.cancelled.wait(_LOOK_S)

    def _why_to_end(self, deadline: float) -> EndedByRunner | None:
        if self._operation.cancelled.is_set():
            return EndedByRunner.CANCELLED
        return EndedByRunner.TIMED_OUT if time.monotonic() > deadline else None

    def _show_progress(self, said: list[dict[str, Any]]) -> None:
        if progress := _last(said, "progress"):
            self._on_progress(Progress(**{name: value for name, value in progress.items() if name != "event"}))

    def _log_of(self, pod: str, lines: int) -> str:
        try:
            return self._cluster.log(pod, GENERATOR, lines)
        except ClusterError:
            return ""  # it is only shown; what became of the pod is looked at anyway

    def _fetch(self, pod: Json, ended_for: EndedByRunner | None) -> Brought:
        told = told_to_end(pod)
        try:
            return self._fetched(pod, ended_for, SECONDS_AFTER_TERM if told else PATIENCE_S)
        except ClusterError as error:
            if not told:
                raise
            lost = Termination(None, None, ended_for, (), lost_because=f"its pod was told to end, {told}, and {error}")
            return Brought(lost, {}, "", pod)

    def _fetched(self, pod: Json, ended_for: EndedByRunner | None, patience_s: float) -> Brought:
        name = pod["metadata"]["name"]
        log = self._cluster.log(name, GENERATOR, _LOG_LINES)
        terminated = state_of(pod, GENERATOR).get("terminated")
        ending = Termination(
            exit_code=exit_code(terminated) if terminated else None,
            totals=_last(_messages(log), "totals"),
            ended_by_runner=ended_for,
            last_log_lines=tuple(_other_lines(log)[-_LOG_LINES_SHOWN:]),
            killed_by=killed_by(terminated) if terminated else None,
            deletion_reason=told_to_end(pod),
        )
        if state_of(pod, KEEPER).keys() & {"terminated"}:
            return Brought(
                Termination(None, None, ended_for, (), lost_because="the sidecar that keeps its rows ended"),
                {},
                log,
                pod,
            )
        if ending.deletion_reason is None:  # else what time there is, is the rows'
            with contextlib.suppress(ClusterError):  # what the servers counted is then known until a little earlier
                self._cluster.execute(name, KEEPER, layout.COUNTERS_COMMAND, _LATE_S)
        command = layout.sidecar_command("list", layout.WORK_DIR)
        listed = json.loads(self._cluster.execute(name, KEEPER, command, patience_s))
        rows = {file: listed[file] for file in listed if file.endswith(".csv")}
        files = {file: self._fetch_file(name, file, size, sha256, patience_s) for file, (size, sha256) in rows.items()}
        return Brought(ending, files, log, pod, tuple(self._clock_of(name)))

    def _clock_of(self, pod: str) -> Iterator[ClockReading]:
        """Readings of the clock that its rows are on; none where it cannot be read, which only costs samples."""
        command = layout.sidecar_command("clock", layout.WORK_DIR)
        with contextlib.suppress(ClusterError):
            for _ in range(_CLOCK_READINGS):
                sent_s, received_s, said = timed(lambda: self._cluster.execute(pod, KEEPER, command, _LATE_S))
                yield ClockReading(sent_s, received_s, float(said))

    def _fetch_file(self, pod: str, file: str, size: int, sha256: str, patience_s: float) -> bytes:
        for _ in range(_TRIES):
            fetched = b"".join(self._parts(pod, layout.WORK_DIR / file, size, patience_s))
            if len(fetched) == size and hashlib.sha256(fetched).hexdigest() == sha256:
                return fetched
        raise ClusterError(
            f"{file} came back from the load generator's pod with other content than it has there, {_TRIES} times, so"
            " the run is not kept; run `pulumi up` again"
        )

    def _parts(self, pod: str, path: PurePosixPath, size: int, patience_s: float) -> Iterator[bytes]:
        for offset in range(0, size, _PART_BYTES):
            # Not beyond the size that was listed: a generator that could not be ended may still be writing.
            count = min(_PART_BYTES, size - offset)
            text = self._cluster.execute(pod, KEEPER, layout.sidecar_command("read", path, offset, count), patience_s)
            with contextlib.suppress(ValueError):  # the digest will not match, and all is read again
                yield unpacked(text.strip())

    def _clear_away(self) -> None:
        try:
            if self._pod is not None and "running" in state_of(self._pod, KEEPER):
                with contextlib.suppress(ClusterError):  # without it the keeper only ends later
                    command = layout.sidecar_command("release", layout.WORK_DIR)
                    self._cluster.execute(self._pod["metadata"]["name"], KEEPER, command, _LATE_S)
            remove(self._cluster, self._name)
        except ClusterError as error:
            self._operation.say(f"the Job {self._name} may still be there, and the next update removes it: {error}")


def remove(cluster: Cluster, job: str) -> None:
    """Delete a Job, and wait until it and its pods are gone; raises ClusterError when they stay."""
    cluster.delete_job(job)
    deadline = time.monotonic() + _DELETED_S
    selector = f"{JOB_LABEL}={job}"
    while cluster.jobs(selector) or cluster.pods(selector):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Job {job} was deleted but is not gone after {_DELETED_S:.0f} s, so its load may go on;"
                f" `kubectl get pods -l {selector}` shows what is left"
            )
        time.sleep(_LOOK_S / 4)


def _has_said_all(pod: Json, said: list[dict[str, Any]]) -> bool:
    """Whether the generator ends for somebody else's sake and has written its rows.

    Its end is not reported then: a kubelet that ends a pod tells of no container before all have ended, the keeper,
    too (SyncTerminatingPod). One that ends it of its own accord does not even tell that it does.
    """
    totals = _last(said, "totals")
    if totals is None:
        return False
    stop = totals["stop"]
    return told_to_end(pod) is not None or (stop is not None and stop["cause"] == "interrupted")


def _last(said: list[dict[str, Any]], event: str) -> dict[str, Any] | None:
    return next((message for message in reversed(said) if message["event"] == event), None)


def _messages(log: str) -> list[dict[str, Any]]:
    """The JSON lines of a log that are the generator's."""
    messages = []
    for line in log.splitlines():
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict) and "event" in message:
                messages.append(message)
    return messages


def _other_lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.strip() and not line.startswith('{"event"')]
