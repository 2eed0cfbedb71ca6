"""Health of a worker: whether it measured the server, or its own lack of CPU time."""

import time
from collections.abc import Sequence
from typing import Any

import gevent

from loadtest.generator.monitoring.clock import wall_clock_moved_s
from loadtest.generator.monitoring.tcp_segments import TcpSegments
from loadtest.generator.phases import RAMP, WARMUP, PhaseMarks

# A greenlet sleeps for this long again and again; how late the event loop wakes it is the loop's lag.
_SLEEP_S = 0.02
# Eight seconds: a percentile of fewer is a single pause of the machine.
_FEWEST_LAGS = 400
# The CPU use of a busy second. A test holds it equal to analysis.results.schema.thresholds, which the pod does not
# have.
BUSY_PERCENT = 90.0


class Health:
    """Only the phases that count are sampled: a worker that is busy while it starts does no harm."""

    def __init__(self, marks: PhaseMarks) -> None:
        self._marks = marks
        self._lags_s: list[float] = []
        self._busy, self._seconds = 0, 0
        self._users_min: int | None = None
        self._clock_step_s = 0.0
        self._segments = TcpSegments()

    def measure_lag(self) -> None:
        """Measure the event loop's lag until the test is over."""
        while not self._marks.over:
            sleep_s = time.perf_counter()
            gevent.sleep(_SLEEP_S)
            if self._counts:
                self._lags_s.append(time.perf_counter() - sleep_s - _SLEEP_S)

    def add(self, cpu_percent: float, users: int) -> None:
        """Add a second: its CPU use, of one core, and the number of users."""
        self._segments.sample()
        moved_s = wall_clock_moved_s()
        self._clock_step_s = max(self._clock_step_s, moved_s, -moved_s)
        if not self._counts:
            return
        self._seconds += 1
        self._busy += cpu_percent > BUSY_PERCENT
        self._users_min = users if self._users_min is None else min(users, self._users_min)

    @property
    def outcome(self) -> dict[str, Any]:
        """The figures for the totals; None where there are no or too few samples."""
        lags_s = sorted(self._lags_s)
        return {
            "busy_ratio": self._busy / self._seconds if self._seconds else None,
            "event_loop_lag_p99_ms": 1e3 * lags_s[int(0.99 * len(lags_s))] if len(lags_s) >= _FEWEST_LAGS else None,
            "users_min": self._users_min,
            "clock_step_ms": 1e3 * self._clock_step_s,
            "retransmitted_ratio": self._segments.retransmitted_ratio,
        }

    @property
    def _counts(self) -> bool:
        return not self._marks.over and self._marks.current not in {None, WARMUP, RAMP}


def worst_of(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One outcome for all workers: the worst of each figure, and the sum of users. None where no worker has it."""
    known = {
        name: [value for outcome in outcomes if (value := outcome[name]) is not None]
        for name in ("busy_ratio", "event_loop_lag_p99_ms", "users_min", "clock_step_ms", "retransmitted_ratio")
    }
    return {name: max(values, default=None) for name, values in known.items()} | {
        "users_min": sum(known["users_min"]) if known["users_min"] else None
    }
