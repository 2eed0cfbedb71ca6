"""Counts the servers that are ready during a test, on the time axis of its rows, where an autoscaler changes them."""

import contextlib
import time
from collections.abc import Mapping, Sequence

import pyarrow as pa

from analysis.results.schema.samples import READY_SERVERS, SAMPLES_SCHEMA, SERVER
from provider.cluster.api import Cluster, ClusterError, selector_of
from provider.cluster.background import Background
from provider.cluster.pod_sampler import ClockReading, clock_offset_s
from provider.cluster.servers import server_pods

# An autoscaler decides every 15 s.
_INTERVAL_S = 3.0


class ServerCount(Background):
    """Inside this context a thread asks for the servers' pods again and again. An error costs samples only."""

    def __init__(self, cluster: Cluster, selector: Mapping[str, str]) -> None:
        super().__init__("server count", _INTERVAL_S)
        self._cluster, self._selector = cluster, selector
        self._counts: list[tuple[float, int]] = []

    def _look(self) -> None:
        with contextlib.suppress(ClusterError):
            pods = server_pods(self._cluster.pods(selector_of(self._selector)))
            self._counts.append((time.time(), sum(pod.ready for pod in pods)))

    def samples(self, rows_clock: Sequence[ClockReading]) -> pa.Table:
        """In SAMPLES_SCHEMA; none where the clock of the rows is not known."""
        if not rows_clock:
            return SAMPLES_SCHEMA.empty_table()
        ahead_s = clock_offset_s(rows_clock)
        samples = [
            {"at": round((at_s - ahead_s) * 1e6), "subject": SERVER, "quantity": READY_SERVERS, "value": float(ready)}
            for at_s, ready in self._counts
        ]
        return pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)
