"""The open loop: a schedule decides when requests are sent, and users wait to send them."""

import time
from typing import ClassVar

from locust import LoadTestShape, constant, task
from locust.exception import StopUser

from loadtest.generator.loops.arrivals import Arrival
from loadtest.generator.loops.user import MeasuredUser
from loadtest.generator.master import Master
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.plan import ScheduledPlan


class OpenLoopUser(MeasuredUser):
    """Sends the requests that the dispatcher hands to it."""

    abstract = True

    wait_time = constant(0)

    @task
    def predict(self) -> None:
        """One request after another, until there are no more: Locust takes time between two tasks."""
        while arrival := self.dispatcher.next_arrival():
            self._send_arrival(arrival)
        raise StopUser

    def _send_arrival(self, arrival: Arrival) -> None:
        try:
            answer = self.send(arrival)
        finally:
            self.dispatcher.release()
        if arrival.on_end:
            arrival.on_end(time.perf_counter() - arrival.intended_start_s, answer.error is None)


class OpenLoopShape(LoadTestShape):
    """All users from the beginning to the end of the schedule."""

    abstract = True

    load: ClassVar[ScheduledPlan]
    marks: ClassVar[PhaseMarks]
    master: ClassVar[Master]

    def tick(self) -> tuple[int, float] | None:
        """None ends the test."""
        if not self.marks.over:
            return self.load.users, float(self.load.users)
        self.master.finish_workers()
        return None
