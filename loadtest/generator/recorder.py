"""Writes every request as one raw row, with times in whole microseconds. Standard library only."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.generator.clients.client import Answer
from loadtest.generator.phases import PhaseMarks

# The columns of a raw row, in their order. `loadtest.result.raw_rows` reads them.
RAW_ROW_COLUMNS = (
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
    """Listens to Locust's own request event, so that rows and Locust's statistics are of the same requests.

    The event's times are exact: Locust rounds only in its statistics. Rows wait in memory until `flush`, which the
    owner calls often: a SIGKILL loses only the rows since then.
    """

    def __init__(self, path: Path, marks: PhaseMarks) -> None:
        """Creates `path`; raises FileExistsError where another run's rows are."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._marks = marks
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
        """Add a finished request: `start_time` is in seconds of the epoch, `response_time` in milliseconds.

        `response_time` is Locust's name for the latency. `context` may hold `intended_start`, in seconds of the epoch,
        and `phase`; without them the request was due when it was sent, in the phase of that time.
        """
        start_us = round(start_time * 1e6)
        intended_start_us = round(context.get("intended_start", start_time) * 1e6)
        latency_us = round(response_time * 1e3)
        error = response.error or ""
        phase = context.get("phase") or self._marks.at(start_us)
        self._lines.append(
            f"{intended_start_us},{start_us},{latency_us},{phase},{0 if error else 1},{response.status},"
            f"{error},{response.request_bytes},{response.response_bytes},{response.backend or ''}\n"
        )
        self.responses_us.append(start_us + latency_us - intended_start_us)
        self.rows += 1
        if error:
            self._note_failure(error, answered=response.is_certain)
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
        """Write all rows to the file; raises OSError, and keeps the rows, where that fails."""
        self._unwritten += "".join(self._lines).encode()
        self._lines.clear()
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def take_responses_us(self) -> list[int]:
        """The response times since the last call, for the progress report."""
        taken, self.responses_us = self.responses_us, []
        return taken
