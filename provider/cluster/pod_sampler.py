"""Samples the CPU and memory use of each server's pod and of its node during a test, on the time axis of its rows.

What the samples mean is analysis/. An error costs samples only.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import pyarrow as pa

from analysis.results.schema.samples import (
    MOST_CORES,
    OTHER_CPU_CORES,
    OTHER_MEMORY_BYTES,
    SAMPLES_SCHEMA,
    STOLEN_CORES,
)
from loadtest.generator.monitoring.sampler import values_between
from provider.cluster.api import Cluster, ClusterError, Session
from provider.cluster.background import Background
from provider.cluster.pod_usage import COMMAND, END, ContainerUsage, parse_usage
from stacks.names import NAME

Answer = TypeVar("Answer")

# A reading takes some milliseconds of the node's CPU time (docs/resource-usage.md). Counters only grow, so nothing
# between two readings is missed.
_INTERVAL_S = 5.0

# After this many failures, and no success before them, a pod is not read any more.
_ATTEMPTS = 3


@dataclass(frozen=True)
class ClockReading:
    """Another clock showed `read_s` at some moment between `sent_s` and `received_s` of this one. All in seconds."""

    sent_s: float
    received_s: float
    read_s: float


def timed_call(call: Callable[[], Answer]) -> tuple[float, float, Answer]:
    """Start, end and result of a call; on the wall clock, which goes on while a laptop sleeps."""
    sent_s = time.time()
    answer = call()
    return sent_s, time.time(), answer


def clock_offset_s(readings: Sequence[ClockReading]) -> float:
    """How far this clock is ahead of the other one: the middle of what all readings allow (Cristian's algorithm).

    F. Cristian, "Probabilistic clock synchronization", 1989. Each reading narrows the range, so the error is at most
    half of the round trip of the quickest one.
    """
    least = max(reading.sent_s - reading.read_s for reading in readings)
    most = min(reading.received_s - reading.read_s for reading in readings)
    return (least + most) / 2


@dataclass(frozen=True)
class PodReading:
    """What a pod had used so far; `clock` reads the uptime of its node."""

    clock: ClockReading
    usage: ContainerUsage


class PodSampler(Background):
    """Inside this context a thread reads one pod after another, through a command in each that runs on.

    `readings` are those of each pod, in their order; they are complete after the block.
    """

    def __init__(self, cluster: Cluster, pods: Sequence[str], warn: Callable[[str], None]) -> None:
        """`warn` gets one message for each pod that cannot be read."""
        super().__init__("pod sampler", _INTERVAL_S)
        self._cluster = cluster
        self._warn = warn
        self._failures = dict.fromkeys(pods, 0)
        self._sessions: dict[str, Session] = {}
        self.readings: dict[str, list[PodReading]] = {pod: [] for pod in pods}

    def _look(self) -> None:
        for pod in self._failures:
            if not self._stopped.is_set() and self._failures[pod] < _ATTEMPTS:
                self._read(pod)

    def _end(self) -> None:
        for pod in list(self._sessions):
            self._close(pod)

    def _read(self, pod: str) -> None:
        """Through the session of the last reading: to start a command takes the node more than all else."""
        try:
            if pod not in self._sessions:
                self._sessions[pod] = self._cluster.session(pod, NAME, COMMAND)
            sent_s, received_s, printed = timed_call(lambda: self._sessions[pod].ask(END))
            usage = parse_usage(printed)
        except (ClusterError, ValueError) as error:
            self._close(pod)
            if self.readings[pod]:
                return  # it was read before, so the failure passes
            self._failures[pod] += 1
            if self._failures[pod] == _ATTEMPTS:
                self._warn(
                    f"the CPU and memory use of server {pod} is not sampled ({error}), so the report may name no"
                    " bottleneck; to sample it, `kubectl exec` must work, and the server's image must have `sh`"
                )
        else:
            self.readings[pod].append(PodReading(ClockReading(sent_s, received_s, usage.uptime_s), usage))

    def _close(self, pod: str) -> None:
        if session := self._sessions.pop(pod, None):
            session.close()


def samples_of(readings: Mapping[str, Sequence[PodReading]], rows_clock: Sequence[ClockReading]) -> pa.Table:
    """Samples in SAMPLES_SCHEMA, with the pod's name as `subject`; `rows_clock` reads the clock of the rows."""
    samples = [
        sample
        for pod, own in readings.items()
        if own and rows_clock
        for sample in _samples_of(pod, own, clock_offset_s([each.clock for each in own]) - clock_offset_s(rows_clock))
    ]
    return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)


def _samples_of(pod: str, readings: Sequence[PodReading], up_since_s: float) -> Iterator[dict[str, object]]:
    for before, after in pairwise(reading.usage for reading in readings):
        # Both are of the node's clock, so a command that came late changes nothing.
        window_s = after.uptime_s - before.uptime_s
        if window_s <= 0 or after.used.cpu_s < before.used.cpu_s:
            continue  # the container or its node was restarted
        values = values_between(before.used, after.used, window_s) | {MOST_CORES: after.most_cores}
        if before.others and after.others:
            cpu_s = after.others.cpu_s - before.others.cpu_s
            beside = values_between(before.others, after.others, window_s)
            values |= {
                OTHER_CPU_CORES: max(0.0, cpu_s / window_s),
                OTHER_MEMORY_BYTES: after.others.memory_bytes,
                STOLEN_CORES: beside["stolen_cores"],
            }
        at_us = round((up_since_s + after.uptime_s) * 1e6)
        for quantity, value in values.items():
            if value is not None:
                yield {"at": at_us, "subject": pod, "quantity": quantity, "value": float(value)}
