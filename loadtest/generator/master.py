"""Leads a test, over workers or alone in its process: phases, the instant a schedule begins, the end, what is said."""

import os
import signal
import time
from collections.abc import Collection
from typing import Any

import gevent
import psutil
from locust import events
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner

from loadtest.generator.locust_events import listen
from loadtest.generator.messages import DONE, GO, NEWS, PHASE, PLAYED, READY, STOP, WARM, WIND_UP
from loadtest.generator.monitoring.clock import now_us
from loadtest.generator.monitoring.server_watch import Stop
from loadtest.generator.phases import PhaseMarks
from loadtest.generator.plan import Plan, worker_name
from loadtest.generator.report import Report

_LOOK_S = 0.5
_TICK_S = 0.01

# So long before it happens workers are told of what shall happen to all at once.
_LEAD_S = 0.1
_ALONE_LEAD_S = 0.02

# How long workers may take to say what came of the test, beyond what their requests take, and to be gone.
_CUT_OFF_S = 3.0
_SLACK_S = 5.0
_GONE_S = 3.0


class Master:
    """`is_warm` once a closed loop's server is; `stop` is why the test ended before its time, where it did."""

    def __init__(
        self, plan: Plan, environment: Environment, runner: LocalRunner | MasterRunner, marks: PhaseMarks
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._runner = runner
        self._marks = marks
        self._report = Report(plan)
        # Locust has forked them already.
        self._pids = [child.pid for child in psutil.Process().children()] if self._leads_others else []
        self._names: dict[int, str] = {}
        self._ready: set[int] = set()
        self._played: set[int] = set()
        self._last_words: dict[int, dict[str, Any]] = {}
        self._has_begun = False
        self.is_warm = False
        self.stop: Stop | None = None

    def start(self) -> None:
        """Listen to workers and signals from here on."""
        hears = {
            NEWS: self._hear_news, READY: self._hear_ready, WARM: self._hear_warm, PLAYED: self._hear_played,
            STOP: self._hear_stop, DONE: self._hear_done,
        }  # fmt: skip
        for word, hear in hears.items():
            self._runner.register_message(word, lambda msg, hear=hear, **_: hear(msg.data))
        listen(events.test_start, lambda **_: self._begin())
        listen(events.quit, lambda **_: self._finish())
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self.end, "interrupted", signal.Signals(number).name)
        gevent.spawn(self._look_often)

    def enter(self, phase: str) -> None:
        """A phase of a closed loop begins, for all workers at one time; returns when it has begun.

        So users that are there because of it send nothing before.
        """
        lead_s = _LEAD_S if self._leads_others else 0.0
        at_us = now_us() + round(lead_s * 1e6)
        if self._marks.enter(phase, at_us):
            self._tell(PHASE, phase=phase, at_us=at_us)
            gevent.sleep(lead_s)

    def wind_up(self, *, cut_off: bool = False) -> None:
        """Nobody asks any more; returns when every worker has said what came of it. Alone, Locust ends the users."""
        self._marks.over = True
        if not self._leads_others:
            return
        self._tell(WIND_UP, cut_off=cut_off)
        limits = self._plan.limits
        patience_s = _CUT_OFF_S if cut_off else limits.connect_timeout_s + limits.response_timeout_s + _SLACK_S
        deadline_s = time.monotonic() + patience_s
        while not self._all(self._last_words.keys()) and time.monotonic() < deadline_s and not self._lost():
            gevent.sleep(_TICK_S)

    def end(self, cause: str, detail: str) -> None:
        """End the test before its time, without waiting for requests under way: they are reported as unfinished."""
        self.stop = self.stop or Stop(cause, detail)
        self.wind_up(cut_off=True)
        if self._leads_others and not self._has_begun:
            # Locust would still wait for its workers.
            self._finish()
            os._exit(0)
        self._environment.stop_timeout = 0
        self._runner.quit()

    @property
    def _leads_others(self) -> bool:
        return isinstance(self._runner, MasterRunner)

    def _all(self, workers: Collection[int]) -> bool:
        return len(workers) == self._plan.processes

    def _begin(self) -> None:
        self._has_begun = True
        self._report.begin()

    def _tell(self, word: str, **data: object) -> None:
        self._runner.send_message(word, data)

    def _hear_news(self, news: dict[str, Any]) -> None:
        self._names[news["pid"]] = worker_name(news["worker"])
        try:
            self._report.hear(news)
        except OSError:
            gevent.spawn(self.end, "caller_gone", "nobody reads the progress any more")

    def _hear_ready(self, said: dict[str, Any]) -> None:
        self._ready.add(said["worker"])
        if self._all(self._ready):
            self._tell(GO, began_s=time.perf_counter() + (_LEAD_S if self._leads_others else _ALONE_LEAD_S))

    def _hear_warm(self, _: dict[str, Any]) -> None:
        self.is_warm = True

    def _hear_played(self, said: dict[str, Any]) -> None:
        self._played.add(said["worker"])
        self._marks.over = self._marks.over or self._all(self._played)

    def _hear_stop(self, said: dict[str, Any]) -> None:
        # Ending waits for workers, whom nobody would hear meanwhile.
        gevent.spawn(self.end, said["cause"], said["detail"])

    def _hear_done(self, said: dict[str, Any]) -> None:
        self._last_words[said["worker"]] = said
        if said["stop"] and self.stop is None:
            self.stop = Stop(**said["stop"])

    def _look_often(self) -> None:
        while self.stop is None and not self._all(self._last_words):
            gevent.sleep(_LOOK_S)
            if self._plan.parent_pid not in (None, os.getppid()):
                self.end("caller_gone", f"process {self._plan.parent_pid} has ended")
            elif lost := self._lost():
                self.end("worker_lost", lost)

    def _lost(self) -> str | None:
        """Which worker ended, or no longer answers, before it was done."""
        for pid in self._pids:
            name = self._names.get(pid, "one of them")
            if not _is_alive(pid) and name not in {worker_name(worker) for worker in self._last_words}:
                return f"{name}, process {pid}, has ended"
        if isinstance(self._runner, MasterRunner) and (silent := self._runner.clients.missing):
            worker: int = self._runner.get_worker_index(silent[0].id)  # type: ignore[no-untyped-call]  # Locust's own
            return f"{worker_name(worker)} no longer answers"
        return None

    def _finish(self) -> None:
        self._report.totals(self._environment, list(self._last_words.values()), self.stop)
        deadline_s = time.monotonic() + _GONE_S
        while (left := [pid for pid in self._pids if _is_alive(pid)]) and time.monotonic() < deadline_s:
            gevent.sleep(_TICK_S)
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Whether this child of ours still runs; gevent takes leave of those that have ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
