"""A worker: sends requests, records them, and reports to the master. A generator of one process is its own master."""

import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from gevent.event import AsyncResult
from locust import events
from locust.env import Environment
from locust.runners import LocalRunner, WorkerRunner

from loadtest.generator.capacity.run import search_capacity
from loadtest.generator.loops.arrivals import share_of
from loadtest.generator.loops.dispatcher import Dispatcher
from loadtest.generator.loops.scheduler import Scheduler, ScheduleStart
from loadtest.generator.loops.warm_up import WarmUp
from loadtest.generator.messages import BEGIN, DONE, FINISH, HEARTBEAT, PHASE, READY, SCHEDULE_DONE, STOP, WARM
from loadtest.generator.monitoring.clock import counter_s, now_us
from loadtest.generator.monitoring.health import Health
from loadtest.generator.monitoring.heartbeat import Heartbeat
from loadtest.generator.monitoring.sampler import GENERATOR, Sampler
from loadtest.generator.monitoring.server_watch import Stop, server_gone
from loadtest.generator.phases import WARMUP, PhaseMarks
from loadtest.generator.plan import CapacitySearchPlan, LoadTestPlan, ScheduledPlan
from loadtest.generator.pods import IS_FIRST_POD
from loadtest.generator.recorder import Recorder

# Locust forks its workers from the process that imports this.
_MASTER_PID = os.getpid()

_POLL_S = 0.5


class Worker:
    """Each worker has rows, users and health of its own; what must be the same for all comes from the master."""

    def __init__(
        self,
        plan: LoadTestPlan,
        environment: Environment,
        runner: LocalRunner | WorkerRunner,
        marks: PhaseMarks,
        dispatcher: Dispatcher,
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._runner = runner
        self._marks = marks
        self._index = runner.worker_index
        self._recorder = Recorder(Path(plan.rows_path(self._index)), marks)
        self._health = Health(marks)
        self._heartbeat = Heartbeat(self._recorder, marks, self._health)
        # Only one worker samples the server and the machine.
        first = self._index == 0
        self._sampler = Sampler(
            Path(plan.samples_path(self._index)),
            plan.server_pid if first else None,
            GENERATOR if first else f"{GENERATOR}-{self._index}",
        )
        self._scheduler = Scheduler(plan, environment, dispatcher, marks)
        self._search: dict[str, Any] | None = None
        self._warm_up, self._is_warm = WarmUp(), False
        self._begin_s: AsyncResult = AsyncResult()
        self._stop: Stop | None = None
        self._is_done = False

    def start(self) -> None:
        events.request.add_listener(self._recorder.on_request)
        events.test_start.add_listener(lambda **_: self._begin())
        events.quit.add_listener(lambda **_: self._report_done())
        self._runner.register_message(PHASE, lambda msg, **_: self._marks.enter(**msg.data))
        self._runner.register_message(BEGIN, lambda msg, **_: self._begin_s.set(counter_s(msg.data["begin_s"])))
        # It takes as long as the requests in flight, and meanwhile the master may cut it short. Locust can spawn a
        # listener, too, but the versions that are supported pass its arguments in different ways.
        self._runner.register_message(FINISH, lambda msg, **_: gevent.spawn(lambda: self._finish(**msg.data)))
        if isinstance(self._runner, WorkerRunner):
            # Ctrl-C reaches all processes of a terminal: the master ends the test, and its workers with it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            gevent.spawn(self._exit_without_master)
        gevent.spawn(self._flush_rows)
        gevent.spawn(self._watch_server)
        gevent.spawn(self._send_heartbeats)

    def _begin(self) -> None:
        self._heartbeat.begin()
        gevent.spawn(self._health.measure_lag)
        if isinstance(self._plan.load, ScheduledPlan):
            gevent.spawn(self._run_schedule, self._plan.load)
        else:
            events.request.add_listener(self._note_warm_up)

    def _run_schedule(self, load: ScheduledPlan) -> None:
        """The first worker warms the server up; then all play from the time that the master sets."""
        self._scheduler.wait_for_users()
        warm_up = self._scheduler.warm_up() if self._index == 0 else WarmUp()
        self._send(READY, now_us=now_us())
        start = ScheduleStart(self._index, self._plan.workers, self._begin_s.get(), warm_up)
        if isinstance(load, CapacitySearchPlan):
            self._search = search_capacity(load, self._scheduler, start)
        else:
            self._scheduler.play(share_of(load.schedule(start.begin_s), start.worker, start.workers))
        self._scheduler.finish()
        self._send(SCHEDULE_DONE)

    def _note_warm_up(self, *, response_time: float, **_: object) -> None:
        if self._is_warm or self._marks.current != WARMUP:
            return
        self._warm_up.add(response_time / 1e3)
        if self._warm_up.is_warm:
            self._is_warm = True
            self._send(WARM)

    def _finish(self, *, cut_off: bool) -> None:
        """End the users, at once or when their requests have ended, and report the totals."""
        self._marks.over = True
        if cut_off:
            self._environment.stop_timeout = 0
        self._runner.stop()
        self._report_done()

    def _report_done(self) -> None:
        if self._is_done:
            return
        self._is_done = True
        self._flush()
        # A server that went away in the last seconds is gone as well.
        stop = self._stop or server_gone(self._plan.base_url, self._recorder, after_s=0)
        if isinstance(self._runner, WorkerRunner):
            # Locust counts what its workers report every three seconds; here is the rest.
            counts: dict[str, Any] = {}
            events.report_to_master.fire(client_id=self._runner.client_id, data=counts)
            self._runner.send_message("stats", counts)
        self._send(DONE, stop=asdict(stop) if stop else None, search=self._search, **self._heartbeat.totals())

    def _flush(self) -> None:
        try:
            self._recorder.flush()
        except OSError as cause:
            path = self._plan.rows_path(self._index)
            self._end_test(Stop("rows_not_written", f"{path}: {cause.strerror}"))

    def _end_test(self, stop: Stop) -> None:
        if self._stop is None:
            self._stop = stop
            self._send(STOP, **asdict(stop))

    def _flush_rows(self) -> None:
        while not self._is_done:
            gevent.sleep(self._plan.limits.flush_interval_s)
            self._flush()

    def _watch_server(self) -> None:
        while self._stop is None:
            gevent.sleep(_POLL_S)
            if stop := server_gone(self._plan.base_url, self._recorder, self._plan.limits.server_gone_after_s):
                self._end_test(stop)

    def _send_heartbeats(self) -> None:
        while not self._is_done:
            gevent.sleep(self._plan.limits.report_interval_s)
            self._send(HEARTBEAT, pid=os.getpid(), now_us=now_us(), **self._heartbeat.beat(self._runner.user_count))
            self._sampler.sample(self._heartbeat.cpu_percent)

    def _exit_without_master(self) -> None:
        """End with the process that forked this one, or, where the master is in another pod, when it is lost."""
        while os.getppid() == _MASTER_PID and (IS_FIRST_POD or not Path(self._plan.interrupt_path).exists()):
            gevent.sleep(_POLL_S)
        self._recorder.flush()
        os._exit(1)

    def _send(self, message: str, **data: Any) -> None:  # noqa: ANN401 - the fields of that message
        self._runner.send_message(message, {"worker": self._index, **data})
