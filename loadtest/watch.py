"""Why a test ends before its time: told to, caller gone, server gone, or rows that cannot be written."""

import os
import signal
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent
import gevent.socket
from locust.env import Environment

from loadtest.phases import PhaseMarks
from loadtest.plan import Plan
from loadtest.recorder import Recorder

# How often the watch looks, and how long it waits for a connection, in seconds.
_LOOK_S = 0.5
_PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Stop:
    """`cause` is one of `interrupted`, `caller_gone`, `server_gone`, `rows_not_written`."""

    cause: str
    detail: str


class Watch:
    """Ends the test at once, without waiting for requests under way, and remembers the first cause."""

    def __init__(self, plan: Plan, recorder: Recorder, marks: PhaseMarks) -> None:
        self._plan = plan
        self._recorder = recorder
        self._marks = marks
        self._environment: Environment | None = None
        self.stop: Stop | None = None

    def start(self, environment: Environment) -> None:
        """Begin to watch; signals end the test from here on."""
        self._environment = environment
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self.end, "interrupted", signal.Signals(number).name)
        gevent.spawn(self._look)

    def end(self, cause: str, detail: str) -> None:
        """End the test; requests under way are reported as unfinished."""
        self.stop = self.stop or Stop(cause, detail)
        self._marks.over = True
        if self._environment is not None and self._environment.runner is not None:
            self._environment.stop_timeout = 0
            self._environment.runner.quit()

    def _look(self) -> None:
        while self.stop is None:
            gevent.sleep(_LOOK_S)
            if self._plan.parent_pid not in (None, os.getppid()):
                self.end("caller_gone", f"process {self._plan.parent_pid} has ended")
            self.look_for_server(patience_s=self._plan.limits.server_gone_after_s)

    def look_for_server(self, patience_s: float) -> None:
        """End the test when the server is gone: nothing answered for `patience_s`, and no connection to be had.

        A server that is only slow still takes connections.
        """
        since_s = self._recorder.unanswered_since_s
        if since_s is None or (failing_s := time.monotonic() - since_s) < patience_s:
            return
        if (refusal := self._refusal()) is None:
            return
        self.end(
            "server_gone",
            f"nothing was answered for {failing_s:.1f} s ({self._recorder.unanswered_in_a_row} requests in a row, "
            f"the last with {self._recorder.last_error}), and {self._plan.base_url} takes no connection ({refusal})",
        )

    def _refusal(self) -> str | None:
        url = urlsplit(self._plan.base_url)
        address = (url.hostname, url.port or {"http": 80, "https": 443}[url.scheme])
        try:
            gevent.socket.create_connection(address, timeout=_PROBE_TIMEOUT_S).close()
        except OSError as cause:
            return cause.strerror or str(cause)
        return None
