"""Reads what each server's pod uses while a test runs, beside the test: what goes wrong here costs samples only."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from provider.clocks import ClockReading, timed
from provider.cluster.api import Cluster, ClusterError
from provider.sampling.pod_samples import PodReading
from provider.sampling.pod_usage import COMMAND, usage_in
from stacks.serving_names import NAME

# A command in a container is a process there, which takes some hundredths of a second of its CPU time: at this distance
# an idle server used 0.005 cores in all. Counters only grow, so nothing between two readings is missed.
_INTERVAL_S = 5.0

# A pod that cannot be read so often, from the first time on, will not be.
_TRIES = 3

# How long a command that is under way may keep the end of a test waiting, in seconds.
_LAST_S = 5.0


class PodSampler:
    """A context manager: inside of it a thread reads the pods, one after the other, so one command runs at a time.

    `readings` are those of each pod, in their order; complete after the block.
    """

    def __init__(self, cluster: Cluster, pods: Sequence[str], say: Callable[[str], None]) -> None:
        """`say` hears of a pod that cannot be read, once."""
        self._cluster = cluster
        self._say = say
        self._failures = dict.fromkeys(pods, 0)
        self._over = threading.Event()
        # It may wait for a lost connection: nobody waits for it.
        self._thread = threading.Thread(target=self._read_often, name="pod sampler", daemon=True)
        self.readings: dict[str, list[PodReading]] = {pod: [] for pod in pods}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_LAST_S)

    def _read_often(self) -> None:
        while True:
            for pod in self._failures:
                if not self._over.is_set() and self._failures[pod] < _TRIES:
                    self._read(pod)
            if self._over.wait(_INTERVAL_S):
                return

    def _read(self, pod: str) -> None:
        try:
            sent_s, received_s, printed = timed(lambda: self._cluster.execute(pod, NAME, COMMAND, patience_s=0))
            usage = usage_in(printed)
        except (ClusterError, ValueError) as error:
            if self.readings[pod]:
                return  # it could be read before, and will be again
            self._failures[pod] += 1
            if self._failures[pod] == _TRIES:
                self._say(f"what server {pod} uses is not sampled: {error}")
        else:
            self.readings[pod].append(PodReading(ClockReading(sent_s, received_s, usage.uptime_s), usage))
