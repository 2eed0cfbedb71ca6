"""Every request becomes one raw row in a file, in whole microseconds, as it happened. Standard library only."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.generator.clients.client import Answer
from loadtest.generator.phases import PhaseMarks

# The columns of a spooled row, in their order. `loadtest.result.raw_rows` reads them.
SPOOL_COLUMNS = (
    "intended_start",
    "start",
    "latency_us",
    "phase",
    "ok",
    "status",
    "error",
    "request_bytes",
    "response_bytes",
    "backend",
)


class Recorder:
    """Listens to Locust's own request event, so that what Locust counts and what is recorded is the same.

    The event carries times that Locust has not rounded yet: it rounds only in its statistics. Rows wait in memory
    until `flush`, which the owner calls often: what a SIGKILL can take is what came since.
    """

    def __init__(self, path: Path, marks: PhaseMarks, request_bytes: int) -> None:
        """Opens `path` anew; raises FileExistsError where another run's rows are."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._marks = marks
        self._request_bytes = request_bytes
        self._lines: list[str] = []
        self._unwritten = b""
        self.responses_us: list[int] = []
        self.rows = 0
        self.failures = 0
        self.last_error = ""
        self.unanswered_in_a_row = 0
        # On the monotonic clock; None while requests are answered, be it with an error.
        self.unanswered_since_s: float | None = None

    def on_request(
        self, *, start_time: float, response_time: float, response: Answer, context: Mapping[str, Any], **_: object
    ) -> None:
        """One finished request: `start_time` in seconds of the epoch, `response_time` in milliseconds, both exact.

        `context` may say when it was due, `intended_start` in seconds of the epoch, and its `phase`; else it was due
        when it was sent, for the phase that was on.
        """
        start_us = round(start_time * 1e6)
        intended_us = round(context.get("intended_start", start_time) * 1e6)
        latency_us = round(response_time * 1e3)
        error = response.error or ""
        phase = context.get("phase") or self._marks.at(start_us)
        self._lines.append(
            f"{intended_us},{start_us},{latency_us},{phase},{0 if error else 1},{response.status},"
            f"{error},{self._request_bytes},{response.response_bytes},{response.backend or ''}\n"
        )
        self.responses_us.append(start_us + latency_us - intended_us)
        self.rows += 1
        if error:
            self._note_failure(error, answered=response.surely_answered)
        else:
            self.unanswered_since_s = None

    def _note_failure(self, error: str, *, answered: bool) -> None:
        self.failures += 1
        self.last_error = error
        if answered:
            self.unanswered_since_s = None
        elif self.unanswered_since_s is None:
            self.unanswered_since_s = time.monotonic()
            self.unanswered_in_a_row = 1
        else:
            self.unanswered_in_a_row += 1

    def flush(self) -> None:
        """Hand all rows to the operating system; raises OSError and keeps them where it takes none."""
        self._unwritten += "".join(self._lines).encode()
        self._lines.clear()
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def take_responses_us(self) -> list[int]:
        """From due to answered, of all since the last call, for whoever shows progress."""
        taken, self.responses_us = self.responses_us, []
        return taken
