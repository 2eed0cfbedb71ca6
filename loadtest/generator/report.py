"""Writes the generator's reports to its standard output: a JSON line per second, and the totals at the end."""

import json
import os
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from locust import __version__
from locust.env import Environment

from loadtest.generator.monitoring.health import worst_of
from loadtest.generator.monitoring.machine import this_machine
from loadtest.generator.monitoring.server_watch import Stop
from loadtest.generator.plan import LoadTestPlan

_STDOUT = 1

# Rate and response times are of this many reports: those of one report vary too much when requests are few.
_WINDOW = 3


class Report:
    """Progress for a person who waits, and the totals by which the caller checks that no row is missing."""

    def __init__(self, plan: LoadTestPlan) -> None:
        self._plan = plan
        self._windows: deque[tuple[float, list[int]]] = deque(maxlen=_WINDOW)
        self._latest: dict[int, Mapping[str, Any]] = {}
        self._responses_us: list[int] = []
        self._missing = set(range(plan.workers))
        self.begin()

    def begin(self) -> None:
        self._begin_s = self._last_s = time.perf_counter()

    def add(self, heartbeat: Mapping[str, Any]) -> None:
        """Write one line of progress when every worker has sent its heartbeat.

        Raises OSError where nobody reads the output any more.
        """
        self._latest[heartbeat["worker"]] = heartbeat
        self._responses_us += heartbeat["responses_us"]
        self._missing.discard(heartbeat["worker"])
        if not self._missing:
            self._missing = set(self._latest)
            self._write_progress()

    def _write_progress(self) -> None:
        now_s = time.perf_counter()
        self._windows.append((now_s - self._last_s, self._responses_us))
        self._last_s, self._responses_us = now_s, []
        responses_us = [response_us for _, window in self._windows for response_us in window]
        sums = {
            name: sum(heartbeat[name] for heartbeat in self._latest.values())
            for name in ("users", "requests", "errors")
        }
        _write(
            event="progress",
            elapsed_s=now_s - self._begin_s,
            total_s=self._plan.load.total_s,
            phase=self._latest[0]["phase"],
            **sums,
            rps=len(responses_us) / sum(seconds for seconds, _ in self._windows),
            p50_ms=statistics.median(responses_us) / 1e3 if responses_us else None,
            p99_ms=sorted(responses_us)[int(0.99 * len(responses_us))] / 1e3 if responses_us else None,
        )

    def totals(self, environment: Environment, workers: Sequence[Mapping[str, Any]], stop: Stop | None) -> None:
        """Write the last line, with Locust's number of requests and the workers' health.

        `workers` are their totals. Where one is missing, Locust's number is not complete.
        """
        peaks = [worker["cpu_peak_percent"] for worker in workers if worker["cpu_peak_percent"] is not None]
        complete = len(workers) == self._plan.workers
        _write(
            event="totals",
            counted_requests=environment.stats.total.num_requests if complete else None,
            cpu_peak_percent=max(peaks, default=None),
            locust_version=__version__,
            machine=this_machine(),
            stop=asdict(stop) if stop else None,
            health=worst_of([worker["health"] for worker in workers]),
            search=next((worker["search"] for worker in workers if worker["search"]), None),
        )


def _write(**fields: object) -> None:
    os.write(_STDOUT, json.dumps(fields).encode() + b"\n")
