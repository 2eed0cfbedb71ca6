"""The master of a test, with workers or alone in its process: begins phases and schedules, ends the test, reports."""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gevent
import psutil
from locust import events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner

from loadtest.generator.messages import BEGIN, DONE, FINISH, HEARTBEAT, PHASE, READY, SCHEDULE_DONE, STOP, WARM
from loadtest.generator.monitoring.clock import epoch_s, now_us
from loadtest.generator.monitoring.server_watch import Stop
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.plan import LoadTestPlan, worker_name
from loadtest.generator.pods import WorkerClocks
from loadtest.generator.report import Report

_CHECK_S = 0.5
_POLL_S = 0.01

# Workers are told this long before of what happens to all of them at the same time.
_LEAD_S = 0.1
_ALONE_LEAD_S = 0.02

# How long workers may take to report their totals, beyond what their requests take, and then to exit.
_CUT_OFF_S = 3.0
_REPORT_S = 5.0
_EXIT_S = 3.0


class Master:
    """`is_warm` is set by a closed loop's warm-up; `stop` is why the test ended early, if it did."""

    def __init__(
        self, plan: LoadTestPlan, environment: Environment, runner: LocalRunner | MasterRunner, marks: PhaseMarks
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._runner = runner
        self._marks = marks
        self._report = Report(plan)
        # Locust has already forked the workers.
        self._workers = psutil.Process().children() if self._has_workers else []
        self._names: dict[int, str] = {}
        self._clocks = WorkerClocks()
        self._started: set[int] = set()
        self._ready: set[int] = set()
        self._schedules_done: set[int] = set()
        self._totals: dict[int, dict[str, Any]] = {}
        self._has_begun = False
        self.is_warm = False
        self.stop: Stop | None = None

    def start(self) -> None:
        handlers = {
            HEARTBEAT: self._on_heartbeat, READY: self._on_ready, WARM: self._on_warm, STOP: self._on_stop,
            SCHEDULE_DONE: self._on_schedule_done, DONE: self._on_done,
        }  # fmt: skip
        self._let_locust_begin_with(self._plan.workers + 1)
        for message, handler in handlers.items():
            self._runner.register_message(message, lambda msg, handler=handler, **_: handler(msg.data))
        events.test_start.add_listener(lambda **_: self._begin())
        events.quit.add_listener(lambda **_: self._finish())
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self.end, "interrupted", signal.Signals(number).name)
        gevent.spawn(self._check_processes)

    def enter(self, phase: str) -> None:
        """Begin a phase of a closed loop for all workers at the same time; returns when it has begun.

        So users that are started for it send nothing before.
        """
        lead_s = _LEAD_S if self._has_workers else 0.0
        at_us = now_us() + round(lead_s * 1e6)
        if self._marks.enter(phase, at_us):
            self._send(PHASE, phase=phase, at_us=at_us)
            gevent.sleep(lead_s)

    def finish_workers(self, *, cut_off: bool = False) -> None:
        """End the users; returns when every worker has reported its totals. Alone, Locust ends the users."""
        self._marks.over = True
        if not self._has_workers:
            return
        self._send(FINISH, cut_off=cut_off)
        limits = self._plan.limits
        timeout_s = _CUT_OFF_S if cut_off else limits.connect_timeout_s + limits.response_timeout_s + _REPORT_S
        deadline_s = time.monotonic() + timeout_s
        while not self._all(self._totals.keys()) and time.monotonic() < deadline_s and not self._lost_worker():
            gevent.sleep(_POLL_S)

    def end(self, cause: str, detail: str) -> None:
        """End the test early, without waiting for requests in flight: they are reported as unfinished."""
        self.stop = self.stop or Stop(cause, detail)
        self.finish_workers(cut_off=True)
        if self._has_workers and not self._has_begun:
            # Locust would still wait for its workers.
            self._finish()
            os._exit(0)
        self._environment.stop_timeout = 0
        self._runner.quit()

    @property
    def _has_workers(self) -> bool:
        return isinstance(self._runner, MasterRunner)

    def _all(self, workers: Collection[int]) -> bool:
        return len(workers) == self._plan.workers

    def _begin(self) -> None:
        self._has_begun = True
        self._report.begin()

    def _let_locust_begin_with(self, workers: int) -> None:
        """Locust begins when as many workers are connected, and each connects before it has started.

        Users of one that is told to begin before have no client, or its schedule never begins.
        """
        if self._has_workers and self._environment.parsed_options:
            self._environment.parsed_options.expect_workers = workers

    def _send(self, message: str, **data: object) -> None:
        self._runner.send_message(message, data)

    def _on_heartbeat(self, heartbeat: dict[str, Any]) -> None:
        self._names[heartbeat["pid"]] = worker_name(heartbeat["worker"])
        self._clocks.add(heartbeat["worker"], heartbeat["now_us"], now_us())
        self._started.add(heartbeat["worker"])
        if self._all(self._started):
            self._let_locust_begin_with(self._plan.workers)
        try:
            self._report.add(heartbeat)
        except OSError:
            gevent.spawn(self.end, "caller_gone", "nobody reads its output any more")

    def _on_ready(self, message: dict[str, Any]) -> None:
        self._clocks.add(message["worker"], message["now_us"], now_us())
        if self._plan.pods > 1 and (apart := self._clocks.apart(message["worker"])):
            gevent.spawn(self.end, "clocks_apart", apart)
            return
        self._ready.add(message["worker"])
        if self._all(self._ready):
            lead_s = _LEAD_S if self._has_workers else _ALONE_LEAD_S
            self._send(BEGIN, begin_s=epoch_s(time.perf_counter() + lead_s))

    def _on_warm(self, _: dict[str, Any]) -> None:
        self.is_warm = True

    def _on_schedule_done(self, message: dict[str, Any]) -> None:
        self._schedules_done.add(message["worker"])
        self._marks.over = self._marks.over or self._all(self._schedules_done)

    def _on_stop(self, message: dict[str, Any]) -> None:
        # `end` waits for messages of the workers, and this handler blocks them.
        gevent.spawn(self.end, message["cause"], message["detail"])

    def _on_done(self, totals: dict[str, Any]) -> None:
        self._totals[totals["worker"]] = totals
        if totals["stop"] and self.stop is None:
            self.stop = Stop(**totals["stop"])

    def _check_processes(self) -> None:
        while self.stop is None and not self._all(self._totals):
            gevent.sleep(_CHECK_S)
            if self._plan.parent_pid not in (None, os.getppid()):
                self.end("caller_gone", f"process {self._plan.parent_pid} has ended")
            elif Path(self._plan.interrupt_path).exists():
                self.end("interrupted", "by its caller")
            elif lost := self._lost_worker():
                self.end("worker_lost", lost)

    def _lost_worker(self) -> str | None:
        """The worker that ended, or stopped answering, before it was done; None where there is none."""
        for process in self._workers:
            name = self._names.get(process.pid, "one of the workers")
            if not process.is_running() and name not in {worker_name(worker) for worker in self._totals}:
                return f"{name}, process {process.pid}, has ended"
        if isinstance(self._runner, MasterRunner) and (silent := self._runner.clients.missing):
            worker: int = self._runner.get_worker_index(silent[0].id)
            return f"{worker_name(worker)} no longer answers"
        return None

    def _finish(self) -> None:
        self._report.totals(self._environment, list(self._totals.values()), self.stop)
        deadline_s = time.monotonic() + _EXIT_S
        # gevent reaps those that have ended.
        while (left := [worker for worker in self._workers if worker.is_running()]) and time.monotonic() < deadline_s:
            gevent.sleep(_POLL_S)
        for process in left:
            process.kill()
