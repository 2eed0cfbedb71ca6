"""What the generator says on its standard output: a JSON line a second, and the totals at the end."""

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
from loadtest.generator.monitoring.server_watch import Stop
from loadtest.generator.plan import Plan

_STDOUT = 1

# Over how many reports the shown rate and median go: one alone jumps about when requests are few.
_WINDOW = 3


class Report:
    """Progress for a person who waits, and the totals by which the caller checks that no row is missing."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._windows: deque[tuple[float, list[int]]] = deque(maxlen=_WINDOW)
        self._latest: dict[int, Mapping[str, Any]] = {}
        self._responses_us: list[int] = []
        self._unheard = set(range(plan.processes))
        self.begin()

    def begin(self) -> None:
        """The test starts now."""
        self._began = self._last_wall = time.perf_counter()

    def hear(self, news: Mapping[str, Any]) -> None:
        """Write one line of progress when every worker has said its news; raises OSError where nobody reads any more.

        `news` are of loadtest.generator.monitoring.heartbeat.
        """
        self._latest[news["worker"]] = news
        self._responses_us += news["responses_us"]
        self._unheard.discard(news["worker"])
        if not self._unheard:
            self._unheard = set(self._latest)
            self._progress()

    def _progress(self) -> None:
        now = time.perf_counter()
        self._windows.append((now - self._last_wall, self._responses_us))
        self._last_wall, self._responses_us = now, []
        responses_us = [response_us for _, window in self._windows for response_us in window]
        _write(
            event="progress",
            elapsed_s=now - self._began,
            total_s=self._plan.total_s,
            phase=self._latest[0]["phase"],
            **{name: sum(news[name] for news in self._latest.values()) for name in ("users", "requests", "errors")},
            rps=len(responses_us) / sum(seconds for seconds, _ in self._windows),
            p50_ms=statistics.median(responses_us) / 1e3 if responses_us else None,
        )

    def totals(self, environment: Environment, last_words: Sequence[Mapping[str, Any]], stop: Stop | None) -> None:
        """Write the last line: our count of rows beside Locust's count of requests, and how the workers fared.

        Where one of them did not live to say its last words, nothing that was counted is complete.
        """
        peaks = [words["cpu_peak_percent"] for words in last_words if words["cpu_peak_percent"] is not None]
        complete = len(last_words) == self._plan.processes
        _write(
            event="totals",
            rows=sum(words["rows"] for words in last_words),
            counted_requests=environment.stats.total.num_requests if complete else None,
            counted_failures=environment.stats.total.num_failures if complete else None,
            failures=sum(words["failures"] for words in last_words),
            cpu_peak_percent=max(peaks, default=None),
            locust_version=__version__,
            stop=asdict(stop) if stop else None,
            health=worst_of([words["health"] for words in last_words]),
            search=next((words["search"] for words in last_words if words["search"]), None),
        )


def _write(**fields: object) -> None:
    os.write(_STDOUT, json.dumps(fields).encode() + b"\n")
