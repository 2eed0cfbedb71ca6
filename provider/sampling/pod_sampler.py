"""Reads the CPU and memory use of each server's pod while a test runs. Its errors cost samples only."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from provider.cluster.api import Cluster, ClusterError
from provider.cluster.clock_offset import ClockReading, timed_call
from provider.sampling.pod_samples import PodReading
from provider.sampling.pod_usage import COMMAND, parse_usage
from stacks.names import NAME

# A command takes some hundredths of a second of the container's CPU time: at this interval, 0.005 cores of an idle
# server. Counters only grow, so nothing between two readings is missed.
_INTERVAL_S = 5.0

# After this many failures, and no success before them, a pod is not read any more.
_ATTEMPTS = 3

# How long the end of a test waits for a command that still runs, in seconds.
_JOIN_S = 5.0


class PodSampler:
    """A context manager: inside it a thread reads one pod after another, so one command runs at a time.

    `readings` are those of each pod, in their order; they are complete after the block.
    """

    def __init__(self, cluster: Cluster, pods: Sequence[str], warn: Callable[[str], None]) -> None:
        """`warn` gets one message for each pod that cannot be read."""
        self._cluster = cluster
        self._warn = warn
        self._failures = dict.fromkeys(pods, 0)
        self._stopped = threading.Event()
        # A daemon: it may be waiting for a lost connection when the plugin ends.
        self._thread = threading.Thread(target=self._run, name="pod sampler", daemon=True)
        self.readings: dict[str, list[PodReading]] = {pod: [] for pod in pods}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while True:
            for pod in self._failures:
                if not self._stopped.is_set() and self._failures[pod] < _ATTEMPTS:
                    self._read(pod)
            if self._stopped.wait(_INTERVAL_S):
                return

    def _read(self, pod: str) -> None:
        try:
            sent_s, received_s, printed = timed_call(lambda: self._cluster.execute(pod, NAME, COMMAND, retry_s=0))
            usage = parse_usage(printed)
        except (ClusterError, ValueError) as error:
            if self.readings[pod]:
                return  # it was read before, so the failure passes
            self._failures[pod] += 1
            if self._failures[pod] == _ATTEMPTS:
                self._warn(f"the CPU and memory use of server {pod} is not sampled: {error}")
        else:
            self.readings[pod].append(PodReading(ClockReading(sent_s, received_s, usage.uptime_s), usage))
