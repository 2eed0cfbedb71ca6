"""Counts the servers that are ready during a test, on the time axis of its rows, where an autoscaler changes them."""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

import pyarrow as pa

from analysis.results.samples import READY_SERVERS, SAMPLES_SCHEMA, SERVER
from provider.cluster.api import Cluster, ClusterError, selector_of
from provider.cluster.pod_sampler import ClockReading, clock_offset_s
from provider.cluster.servers import server_pods

# An autoscaler decides every 15 s.
_INTERVAL_S = 3.0
_JOIN_S = 5.0


class ServerCount:
    """A context manager: inside it a thread asks for the servers' pods again and again. An error costs samples only."""

    def __init__(self, cluster: Cluster, selector: Mapping[str, str]) -> None:
        self._cluster, self._selector = cluster, selector
        self._stopped = threading.Event()
        # A daemon: it may be waiting for a lost connection when the plugin ends.
        self._thread = threading.Thread(target=self._run, name="server count", daemon=True)
        self._counts: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while True:
            with contextlib.suppress(ClusterError):
                pods = server_pods(self._cluster.pods(selector_of(self._selector)))
                self._counts.append((time.time(), sum(pod.ready for pod in pods)))
            if self._stopped.wait(_INTERVAL_S):
                return

    def samples(self, rows_clock: Sequence[ClockReading]) -> pa.Table:
        """In SAMPLES_SCHEMA; none where the clock of the rows is not known."""
        ahead_s = clock_offset_s(rows_clock) if rows_clock else 0.0
        samples = [
            {
                "at": round((at_s - ahead_s) * 1e6),
                "subject": SERVER,
                "quantity": READY_SERVERS,
                "value": float(ready),
            }
            for at_s, ready in (self._counts if rows_clock else ())
        ]
        return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)
