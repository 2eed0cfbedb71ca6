"""What a process that asks says of itself: once a second while it does, and at its end."""

import time
from typing import Any

from loadtest.generator.monitoring.health import Health
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.recorder import Recorder

# A test begins in the middle of a second. What a process is busy with in a short rest of it is no peak: it is counted
# with the next second.
_SHORTEST_S = 0.5


class Pulse:
    """`cpu_percent` is of one core, since the news before; None before the first."""

    def __init__(self, recorder: Recorder, marks: PhaseMarks, health: Health) -> None:
        self._recorder = recorder
        self._marks = marks
        self._health = health
        self._cpu_peak_percent: float | None = None
        self.cpu_percent: float | None = None
        self.begin()

    def begin(self) -> None:
        """The test starts now: what this process did to get ready counts neither as time nor as load."""
        self._last_wall, self._last_cpu = time.perf_counter(), time.process_time()

    def news(self, users: int) -> dict[str, Any]:
        """What is new since the last time. `responses_us` are from due to answered, `requests` and `errors` of all."""
        wall, cpu = time.perf_counter(), time.process_time()
        if wall - self._last_wall >= _SHORTEST_S:
            self.cpu_percent = 100 * (cpu - self._last_cpu) / (wall - self._last_wall)
            self._cpu_peak_percent = max(self._cpu_peak_percent or 0.0, self.cpu_percent)
            self._last_wall, self._last_cpu = wall, cpu
            self._health.note(self.cpu_percent, users)
        return {
            "phase": self._marks.current,
            "users": users,
            "requests": self._recorder.rows,
            "errors": self._recorder.failures,
            "responses_us": self._recorder.take_responses_us(),
        }

    def last_words(self) -> dict[str, Any]:
        """For the totals."""
        return {
            "rows": self._recorder.rows,
            "failures": self._recorder.failures,
            "cpu_peak_percent": self._cpu_peak_percent,
            "health": self._health.outcome,
        }
