"""Plays a schedule: waits until each request is due and hands it to a free user."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import gevent
from gevent.event import AsyncResult
from locust.env import Environment

from loadtest.generator.clients.client import NO_ANSWER, NOT_SENT, Answer
from loadtest.generator.loops.arrivals import Arrival
from loadtest.generator.loops.dispatcher import Dispatcher
from loadtest.generator.loops.user import report_request
from loadtest.generator.loops.warm_up import WarmUp
from loadtest.generator.monitoring.clock import now_us
from loadtest.generator.phases import WARMUP, PhaseMarks
from loadtest.generator.plan import LoadTestPlan

_POLL_S = 0.01
# How long to wait before the next warm-up request after one that failed.
_PAUSE_S = 0.1


@dataclass(frozen=True)
class ScheduleStart:
    """What a worker knows when its schedule begins, at `begin_s` on the performance counter, for all `workers`."""

    worker: int
    workers: int
    begin_s: float
    warm_up: WarmUp


class Scheduler:
    """What the modes with a schedule share. All times are on the performance counter."""

    def __init__(self, plan: LoadTestPlan, environment: Environment, dispatcher: Dispatcher, marks: PhaseMarks) -> None:
        self._plan = plan
        self._environment = environment
        self._dispatcher = dispatcher
        self._marks = marks

    @property
    def over(self) -> bool:
        return self._marks.over

    def wait_for_users(self) -> None:
        """Return when all users of this process wait for requests; Locust sets their number before it starts any."""
        runner = self._environment.runner
        while self._dispatcher.free_users < max(1, runner.target_user_count if runner else 0) and not self.over:
            gevent.sleep(_POLL_S)

    def warm_up(self) -> WarmUp:
        """Send one request at a time, until the server is warm or the plan's time for that is over."""
        warm_up = WarmUp()
        deadline_s = time.perf_counter() + self._plan.load.warmup_s
        while not (warm_up.is_warm or self.over) and time.perf_counter() < deadline_s:
            ended: AsyncResult = AsyncResult()
            self.send(Arrival(time.perf_counter(), WARMUP, lambda *outcome, to=ended: to.set(outcome)))
            response_s, ok = ended.get()
            if ok:
                warm_up.add(response_s)
            else:
                gevent.sleep(_PAUSE_S)
        return warm_up

    def play(self, schedule: Iterable[Arrival]) -> None:
        """Send every request when it is due, until the schedule ends or the test does."""
        for arrival in schedule:
            self.sleep_until(arrival.intended_start_s)
            if self.over:
                return
            self.send(arrival)

    def sleep_until(self, time_s: float) -> None:
        """Let other greenlets run, at least once: a schedule that is behind must not keep users from sending."""
        gevent.sleep(max(0.0, time_s - time.perf_counter()))
        while (left_s := time_s - time.perf_counter()) > 0 and not self.over:
            gevent.sleep(left_s)

    def send(self, arrival: Arrival) -> None:
        """Hand the request to a free user; without one it is reported as not sent at once."""
        self._marks.enter(arrival.phase, now_us())
        if self._dispatcher.dispatch(arrival):
            return
        at_s = arrival.intended_start_s
        report_request(self._environment, self._plan.protocol, Answer(NO_ANSWER, NOT_SENT), at_s, at_s, arrival)
        if arrival.on_end:
            arrival.on_end(0.0, False)  # noqa: FBT003 (the signature of a callback)

    def drain(self, to: int = 0) -> None:
        """Return when no more than `to` requests are in flight; each ends by its answer or its time-out."""
        while self._dispatcher.in_flight > to and not self.over:
            gevent.sleep(_POLL_S)

    def finish(self) -> None:
        self.drain()
        self._marks.over = True
        self._dispatcher.close()
