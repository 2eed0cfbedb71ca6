"""How the generator itself fared: whether what it measured was the server, or its own lack of time."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent

from loadtest.generator.monitoring.clock import wall_clock_moved_s
from loadtest.generator.phases import RAMP, WARMUP, PhaseMarks

# The event loop is asked to wake a greenlet this often; how late it does so is its lag.
_BEAT_S = 0.02
# Eight seconds of beats: a percentile of fewer is one hiccup of the machine.
_FEWEST_BEATS = 400
# A second of which less than this was left is a second in which the generator may have been the limit.
_BUSY_PERCENT = 90.0

_SNMP = Path("/proc/net/snmp")


class Health:
    """Samples of the counted phases only: what is busy while it starts disturbs nothing that counts."""

    def __init__(self, marks: PhaseMarks) -> None:
        self._marks = marks
        self._lags_s: list[float] = []
        self._busy, self._seconds = 0, 0
        self._users_min: int | None = None
        self._clock_moved_s = 0.0
        self._segments_before = _tcp_segments()

    def beat(self) -> None:
        """Runs until the test is over."""
        while not self._marks.over:
            asked_s = time.perf_counter()
            gevent.sleep(_BEAT_S)
            if self._counts:
                self._lags_s.append(time.perf_counter() - asked_s - _BEAT_S)

    def note(self, cpu_percent: float, users: int) -> None:
        """The last second's share of one core, and how many users there are."""
        moved_s = wall_clock_moved_s()
        self._clock_moved_s = max(self._clock_moved_s, moved_s, -moved_s)
        if not self._counts:
            return
        self._seconds += 1
        self._busy += cpu_percent > _BUSY_PERCENT
        self._users_min = users if self._users_min is None else min(users, self._users_min)

    @property
    def outcome(self) -> dict[str, Any]:
        """For the totals. None where nothing, or too little, was sampled."""
        lags_s = sorted(self._lags_s)
        return {
            "busy_share": self._busy / self._seconds if self._seconds else None,
            "lag_p99_ms": 1e3 * lags_s[int(0.99 * len(lags_s))] if len(lags_s) >= _FEWEST_BEATS else None,
            "users_min": self._users_min,
            "clock_moved_ms": 1e3 * self._clock_moved_s,
            "resent_share": self._resent_share(),
        }

    @property
    def _counts(self) -> bool:
        return not self._marks.over and self._marks.current not in {None, WARMUP, RAMP}

    def _resent_share(self) -> float | None:
        before, after = self._segments_before, _tcp_segments()
        if before is None or after is None or after[0] == before[0]:
            return None
        return (after[1] - before[1]) / (after[0] - before[0])


def worst_of(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The outcomes of all workers as one: of each figure the worst, and of users all. None where nobody knows."""
    known = {
        name: [value for outcome in outcomes if (value := outcome[name]) is not None]
        for name in ("busy_share", "lag_p99_ms", "users_min", "clock_moved_ms", "resent_share")
    }
    return {name: max(values, default=None) for name, values in known.items()} | {
        "users_min": sum(known["users_min"]) if known["users_min"] else None
    }


def _tcp_segments() -> tuple[int, int] | None:
    """TCP segments sent and sent again from this network namespace; None where the kernel does not say."""
    try:
        names, values = (line.split() for line in _SNMP.read_text().splitlines() if line.startswith("Tcp:"))
    except (OSError, ValueError):
        return None
    counters = dict(zip(names, values, strict=False))
    return int(counters["OutSegs"]), int(counters["RetransSegs"])
