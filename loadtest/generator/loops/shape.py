"""The load profile as Locust's load shape: one user to warm up, then users one by one, then all of them."""

import time
from typing import ClassVar

import gevent
from locust import LoadTestShape

from loadtest.generator.master import Master
from loadtest.generator.phases import HOLD, RAMP, WARMUP, PhaseMarks, Timeline

# How often Locust asks a shape, in seconds.
_TICK_S = 1.0


class ProfileShape(LoadTestShape):
    """Marks each phase as it is entered, and ends the test when it is over or was stopped."""

    abstract = True

    users: ClassVar[int]
    spawn_rate_per_s: ClassVar[float]
    timeline: ClassVar[Timeline]
    marks: ClassVar[PhaseMarks]
    master: ClassVar[Master]

    def tick(self) -> tuple[int, float] | None:
        """How many users there shall be and how many are added a second; None ends the test."""
        phase = self.timeline.due(self._elapsed_s())
        if phase == WARMUP and self.master.is_warm:
            self.timeline.end_warmup(self._elapsed_s())
            phase = self.timeline.due(self._elapsed_s())
        if phase == self.marks.current:
            phase = self._phase_after_this_tick()
        if phase is None or self.marks.over:
            self.master.wind_up()
            return None
        if phase == HOLD and self._users_now() < self.users:
            # Locust is late with starting users: it holds nothing before all are there.
            phase = RAMP
        self.master.enter(phase)
        return (1 if phase == WARMUP else self.users), self.spawn_rate_per_s

    def _phase_after_this_tick(self) -> str | None:
        """Locust asks once a second; a change that is due before it asks again is waited for here.

        So phases begin when they are due, except that each lasts a second at least.
        """
        change_s = self.timeline.next_change_s(self._elapsed_s())
        if change_s is not None and change_s - self._elapsed_s() < _TICK_S:
            while (left_s := change_s - self._elapsed_s()) > 0:
                gevent.sleep(left_s)
        return self.timeline.due(self._elapsed_s())

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self.start_time

    def _users_now(self) -> int:
        return self.runner.user_count if self.runner else 0
