"""The open loop: a schedule says when a request is sent, and users stand by to send it."""

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

import gevent
from gevent.event import AsyncResult
from locust import LoadTestShape, task
from locust.env import Environment
from locust.exception import StopUser

from loadtest.generator.clients.client import NO_ANSWER, Answer
from loadtest.generator.loops.arrivals import Arrival
from loadtest.generator.loops.dispatcher import Desk, Order
from loadtest.generator.loops.user import MeasuredUser, Timing, report_request
from loadtest.generator.loops.warm_up import Warmth
from loadtest.generator.master import Master
from loadtest.generator.monitoring.clock import now_us
from loadtest.generator.phases import WARMUP, PhaseMarks
from loadtest.generator.plan import Plan

NOT_SENT = "not_sent"

_LOOK_S = 0.01
# A server that refuses is not asked again at once.
_PAUSE_S = 0.1


class OpenLoopUser(MeasuredUser):
    """Sends what the desk gives it, when the desk gives it."""

    abstract = True

    desk: ClassVar[Desk]

    @task
    def predict(self) -> None:
        """One request after another, until there are no more: Locust's own way from task to task costs time of each."""
        while order := self.desk.wait():
            self._carry_out(order)
        raise StopUser

    def _carry_out(self, order: Order) -> None:
        try:
            answer = self.send(order.due_s, order.phase)
        finally:
            self.desk.done()
        if order.ended:
            order.ended(time.perf_counter() - order.due_s, answer.error is None)


class StandBy(LoadTestShape):
    """All users from the beginning to the end; whoever plays the schedule says when that is."""

    abstract = True

    users: ClassVar[int]
    spawn_rate_per_s: ClassVar[float]
    marks: ClassVar[PhaseMarks]
    master: ClassVar[Master]

    def tick(self) -> tuple[int, float] | None:
        """None ends the test."""
        if not self.marks.over:
            return self.users, self.spawn_rate_per_s
        self.master.wind_up()
        return None


class Player:
    """Plays a schedule: waits until each request is due and gives it to the desk."""

    def __init__(self, plan: Plan, environment: Environment, desk: Desk, marks: PhaseMarks) -> None:
        self._plan = plan
        self._environment = environment
        self._desk = desk
        self._marks = marks

    @property
    def over(self) -> bool:
        """Whether the test was ended."""
        return self._marks.over

    def wait_for_users(self) -> None:
        """Until all of them stand by: as many as Locust has given this process, which is said before the first."""
        runner = self._environment.runner
        while self._desk.free < max(1, runner.target_user_count if runner else 0) and not self.over:
            gevent.sleep(_LOOK_S)

    def warm_up(self) -> Warmth:
        """One request after another, until the server is warm or the plan's time for that is over."""
        warmth = Warmth()
        deadline_s = time.perf_counter() + self._plan.warmup_s
        while not (warmth.is_warm or self.over) and time.perf_counter() < deadline_s:
            answered: AsyncResult = AsyncResult()
            self.send(time.perf_counter(), WARMUP, lambda *outcome, to=answered: to.set(outcome))
            response_s, ok = answered.get()
            if ok:
                warmth.note(response_s)
            else:
                gevent.sleep(_PAUSE_S)
        return warmth

    def play(self, schedule: Iterable[Arrival], began_s: float) -> None:
        """Every arrival at its time after `began_s` on the performance counter, until schedule or test are over."""
        for arrival in schedule:
            self.sleep_until(began_s + arrival.due_s)
            if self.over:
                return
            self.send(began_s + arrival.due_s, arrival.phase)

    def sleep_until(self, due_s: float) -> None:
        """Others run meanwhile, and once at least: a schedule that is behind must not keep them from sending."""
        gevent.sleep(max(0.0, due_s - time.perf_counter()))
        while (left_s := due_s - time.perf_counter()) > 0 and not self.over:
            gevent.sleep(left_s)

    def send(self, due_s: float, phase: str, ended: Callable[[float, bool], None] | None = None) -> None:
        """Have it sent by a free user; without one it is counted as not sent, at once."""
        self._marks.enter(phase, now_us())
        if self._desk.give(Order(due_s, phase, ended)):
            return
        never_sent = Timing(due_s=due_s, began_s=due_s, ended_s=due_s, phase=phase)
        report_request(self._environment, self._plan.protocol, Answer(NO_ANSWER, NOT_SENT, 0), never_sent)
        if ended:
            ended(0.0, False)  # noqa: FBT003 (the signature of a callback)

    def drain(self) -> None:
        """Until nothing is under way; a request takes no longer than its time-outs."""
        while self._desk.busy and not self.over:
            gevent.sleep(_LOOK_S)

    def finish(self) -> None:
        """End the test."""
        self.drain()
        self._marks.over = True
        self._desk.close()
