"""A process that asks, one of several or the only one: it does what the master says, and says what came of it."""

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

from loadtest.generator.capacity.run import CapacityRun
from loadtest.generator.locust_events import listen
from loadtest.generator.loops.arrivals import ramp_and_hold, share_of
from loadtest.generator.loops.dispatcher import Desk
from loadtest.generator.loops.open_loop import Player
from loadtest.generator.loops.warm_up import Warmth
from loadtest.generator.messages import DONE, GO, NEWS, PHASE, PLAYED, READY, STOP, WARM, WIND_UP
from loadtest.generator.monitoring.health import Health
from loadtest.generator.monitoring.heartbeat import Pulse
from loadtest.generator.monitoring.sampler import GENERATOR, Sampler
from loadtest.generator.monitoring.server_watch import ServerWatch, Stop
from loadtest.generator.phases import WARMUP, PhaseMarks
from loadtest.generator.plan import Plan
from loadtest.generator.recorder import Recorder

# Locust forks its workers from the process that has read this.
_MASTER_PID = os.getpid()

_LOOK_S = 0.5


class Worker:
    """Rows, users and their health are each worker's own; what all have to agree on comes from the master."""

    def __init__(
        self,
        plan: Plan,
        environment: Environment,
        runner: LocalRunner | WorkerRunner,
        request_bytes: int,
        marks: PhaseMarks,
        desk: Desk,
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._runner = runner
        self._marks = marks
        self._index = runner.worker_index
        self._recorder = Recorder(Path(plan.spool_path(self._index)), marks, request_bytes=request_bytes)
        self._health = Health(marks)
        self._pulse = Pulse(self._recorder, marks, self._health)
        self._server = ServerWatch(plan, self._recorder)
        # What is on the machine once is sampled once.
        first = self._index == 0
        self._sampler = Sampler(
            Path(plan.samples_path(self._index)),
            plan.server_pid if first else None,
            GENERATOR if first else f"{GENERATOR}-{self._index}",
        )
        self._player = Player(plan, environment, desk, marks)
        self._search = CapacityRun(plan.search, self._player) if plan.search else None
        self._warmth, self._is_warm = Warmth(), False
        self._go: AsyncResult = AsyncResult()
        self._stop: Stop | None = None
        self._is_done = False

    def start(self) -> None:
        """From here on it records, and listens to the master."""
        listen(events.request, self._recorder.on_request)
        listen(events.test_start, lambda **_: self._begin())
        listen(events.quit, lambda **_: self._say_done())
        self._runner.register_message(PHASE, lambda msg, **_: self._marks.enter(**msg.data))
        self._runner.register_message(GO, lambda msg, **_: self._go.set(msg.data["began_s"]))
        # It takes as long as requests under way, and the master may say meanwhile that it shall not. Locust can spawn a
        # listener, too, but hands it its arguments in another way in each of the versions that we run with.
        self._runner.register_message(WIND_UP, lambda msg, **_: gevent.spawn(lambda: self._wind_up(**msg.data)))
        if isinstance(self._runner, WorkerRunner):
            # Ctrl-C reaches all processes of a terminal: the master ends the test, and its workers with it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            gevent.spawn(self._end_without_master)
        gevent.spawn(self._flush_often)
        gevent.spawn(self._look_often)
        gevent.spawn(self._say_news_often)

    def _begin(self) -> None:
        self._pulse.begin()
        gevent.spawn(self._health.beat)
        if self._plan.stands_by:
            gevent.spawn(self._perform)
        else:
            listen(events.request, self._feel)

    def _perform(self) -> None:
        """What is scheduled: the first worker warms the server up, then all play from the instant that is named."""
        self._player.wait_for_users()
        warmth = self._player.warm_up() if self._index == 0 else Warmth()
        self._say(READY)
        began_s: float = self._go.get()
        if self._search:
            self._search.run(warmth, self._plan.duration_s)
        if schedule := self._plan.schedule:
            hold_s = self._plan.duration_s - self._plan.ramp_s
            whole = ramp_and_hold(schedule.rate_rps, self._plan.ramp_s, hold_s, schedule.law, schedule.seed)
            self._player.play(share_of(whole, self._index, self._plan.processes), began_s)
        self._player.finish()
        self._say(PLAYED)

    def _feel(self, *, response_time: float, **_: object) -> None:
        if self._is_warm or self._marks.current != WARMUP:
            return
        self._warmth.note(response_time / 1e3)
        if self._warmth.is_warm:
            self._is_warm = True
            self._say(WARM)

    def _wind_up(self, *, cut_off: bool) -> None:
        """End the users, at once or when what they have under way is answered, and say what came of it."""
        self._marks.over = True
        if cut_off:
            self._environment.stop_timeout = 0
        self._runner.stop()
        self._say_done()

    def _say_done(self) -> None:
        if self._is_done:
            return
        self._is_done = True
        self._flush()
        # A server that went away in the last seconds is gone as well.
        stop = self._stop or self._server.gone(patience_s=0)
        if isinstance(self._runner, WorkerRunner):
            # Locust counts what its workers report every three seconds; here is the rest.
            counts: dict[str, Any] = {}
            events.report_to_master.fire(client_id=self._runner.client_id, data=counts)  # type: ignore[no-untyped-call]
            self._runner.send_message("stats", counts)
        search = self._search.outcome if self._search else None
        self._say(DONE, stop=asdict(stop) if stop else None, search=search, **self._pulse.last_words())

    def _flush(self) -> None:
        try:
            self._recorder.flush()
        except OSError as cause:
            path = self._plan.spool_path(self._index)
            self._end_test(Stop("rows_not_written", f"{path}: {cause.strerror}"))

    def _end_test(self, stop: Stop) -> None:
        if self._stop is None:
            self._stop = stop
            self._say(STOP, **asdict(stop))

    def _flush_often(self) -> None:
        while not self._is_done:
            gevent.sleep(self._plan.limits.flush_interval_s)
            self._flush()

    def _look_often(self) -> None:
        while self._stop is None:
            gevent.sleep(_LOOK_S)
            if stop := self._server.gone(self._plan.limits.server_gone_after_s):
                self._end_test(stop)

    def _say_news_often(self) -> None:
        while not self._is_done:
            gevent.sleep(self._plan.limits.report_interval_s)
            self._say(NEWS, pid=os.getpid(), **self._pulse.news(self._runner.user_count))
            self._sampler.sample(self._pulse.cpu_percent)

    def _end_without_master(self) -> None:
        while os.getppid() == _MASTER_PID:
            gevent.sleep(_LOOK_S)
        self._recorder.flush()
        os._exit(1)

    def _say(self, word: str, **data: Any) -> None:  # noqa: ANN401 - whatever belongs to that word
        self._runner.send_message(word, {"worker": self._index, **data})
