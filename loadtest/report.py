"""What the generator says on its standard output: a JSON line a second, and the totals at the end."""

import json
import os
import statistics
import time
from collections import deque
from dataclasses import asdict
from typing import Any

from locust import __version__
from locust.env import Environment

from loadtest.health import Health
from loadtest.phases import PhaseMarks
from loadtest.plan import Plan
from loadtest.recorder import Recorder
from loadtest.watch import Stop

_STDOUT = 1

# Over how many reports the shown rate and median go: one alone jumps about when requests are few.
_WINDOW = 3


class Report:
    """Progress for a person who waits, and the totals by which the caller checks that no row is missing."""

    def __init__(self, plan: Plan, recorder: Recorder, marks: PhaseMarks, health: Health) -> None:
        self._plan = plan
        self._recorder = recorder
        self._marks = marks
        self._health = health
        self._windows: deque[tuple[float, list[int]]] = deque(maxlen=_WINDOW)
        self._cpu_peak_percent: float | None = None
        # Of one core, since the last progress before; None before the first.
        self.cpu_percent: float | None = None
        self._began = time.perf_counter()
        self._last_wall = self._began
        self._last_cpu = time.process_time()

    def begin(self) -> None:
        """The test starts now: what this process did to get ready counts neither as time nor as load."""
        self._began = self._last_wall = time.perf_counter()
        self._last_cpu = time.process_time()

    def progress(self, users: int) -> None:
        """Write one line of progress; raises OSError where nobody reads any more."""
        wall, cpu = time.perf_counter(), time.process_time()
        window_s = wall - self._last_wall
        busy_percent = 100 * (cpu - self._last_cpu) / window_s
        self._cpu_peak_percent = max(self._cpu_peak_percent or 0.0, busy_percent)
        self._last_wall, self._last_cpu = wall, cpu
        self.cpu_percent = busy_percent
        self._health.note(busy_percent, users)
        self._windows.append((window_s, self._recorder.take_responses_us()))
        responses_us = [response_us for _, window in self._windows for response_us in window]
        _write(
            event="progress",
            elapsed_s=wall - self._began,
            total_s=self._plan.total_s,
            phase=self._marks.current,
            users=users,
            requests=self._recorder.rows,
            errors=self._recorder.failures,
            rps=len(responses_us) / sum(seconds for seconds, _ in self._windows),
            p50_ms=statistics.median(responses_us) / 1e3 if responses_us else None,
        )

    def totals(self, environment: Environment, stop: Stop | None, search: dict[str, Any] | None) -> None:
        """Write the last line: our count of rows beside Locust's count of requests, and how the generator fared."""
        _write(
            event="totals",
            rows=self._recorder.rows,
            counted_requests=environment.stats.total.num_requests,
            counted_failures=environment.stats.total.num_failures,
            failures=self._recorder.failures,
            cpu_peak_percent=self._cpu_peak_percent,
            locust_version=__version__,
            stop=asdict(stop) if stop else None,
            health=self._health.outcome,
            search=search,
        )


def _write(**fields: object) -> None:
    os.write(_STDOUT, json.dumps(fields).encode() + b"\n")
