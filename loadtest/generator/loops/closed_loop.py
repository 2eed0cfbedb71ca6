"""The closed loop: a user sends, waits for the answer, pauses, and sends again."""

import random
import time
from typing import ClassVar

import gevent
from locust import LoadTestShape, task
from locust.exception import StopUser

from loadtest.generator.loops.user import MeasuredUser
from loadtest.generator.master import Master
from loadtest.generator.phases import HOLD, RAMP, WARMUP, PhaseMarks, Timeline
from loadtest.generator.plan import ClosedLoopPlan

# How often Locust calls a shape, in seconds.
_TICK_S = 1.0


class ClosedLoopUser(MeasuredUser):
    """Sends as fast as its answers and its pauses permit, so a slow server is sent less."""

    abstract = True

    load: ClassVar[ClosedLoopPlan]

    def wait_time(self) -> float:
        if self.load.pauses == "constant" or not self.load.wait_s:
            return self.load.wait_s
        return random.expovariate(1 / self.load.wait_s)

    @task
    def predict(self) -> None:
        if self.marks.over:
            raise StopUser
        self.send()


class ClosedLoopShape(LoadTestShape):
    """One user for the warm-up, then users one by one, then all of them; marks each phase as it begins."""

    abstract = True

    load: ClassVar[ClosedLoopPlan]
    marks: ClassVar[PhaseMarks]
    master: ClassVar[Master]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust leaves it without types
        self._timeline = Timeline(self.load.warmup_s, self.load.ramp_s, self.load.duration_s)

    def tick(self) -> tuple[int, float] | None:
        """The number of users to have and how many to add per second; None ends the test."""
        phase = self._timeline.due(self._elapsed_s())
        if phase == WARMUP and self.master.is_warm:
            self._timeline.end_warmup(self._elapsed_s())
            phase = self._timeline.due(self._elapsed_s())
        if phase == self.marks.current:
            phase = self._phase_after_this_tick()
        if phase is None or self.marks.over:
            self.master.finish_workers()
            return None
        if phase == HOLD and (self.runner.user_count if self.runner else 0) < self.load.users:
            # Locust is late with starting users: the hold begins when all of them run.
            phase = RAMP
        self.master.enter(phase)
        return (1 if phase == WARMUP else self.load.users), self.load.spawn_rate_per_s

    def _phase_after_this_tick(self) -> str | None:
        """Locust calls once a second; a change that is due before the next call is waited for here.

        So phases begin when they are due, except that each lasts at least a second.
        """
        change_s = self._timeline.next_change_s(self._elapsed_s())
        if change_s is not None and change_s - self._elapsed_s() < _TICK_S:
            while (left_s := change_s - self._elapsed_s()) > 0:
                gevent.sleep(left_s)
        return self._timeline.due(self._elapsed_s())

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self.start_time
