"""The Locust process: started in a session of its own, read line by line, and ended whatever happens."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtest.generator.plan import PLAN_VARIABLE

_LOCUSTFILE = Path(__file__).parents[1] / "generator/locustfile.py"

# How the process is asked to end, and how many seconds it has each time. It stops users and writes rows at the first.
_ENDINGS = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))

# How long workers may take to see that their master has ended, in seconds.
_WORKERS_S, _TICK_S = 5.0, 0.02

_CHUNK_BYTES = 65536

# Requests that fail are rows, not a failure of the generator: its exit code stays for real ones.
LOCUST_OPTIONS = ("--headless", "--only-summary", "--exit-code-on-error", "0")


class Generator:
    """A context manager: outside of it the process does not exist."""

    def __init__(self, plan_path: Path, log_path: Path) -> None:
        self._plan_path = plan_path
        self._log_path = log_path
        self._selector = selectors.DefaultSelector()
        self._unread = b""

    def __enter__(self) -> Self:
        """Start Locust; all that it logs goes to the log file, its standard output is ours."""
        command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), *LOCUST_OPTIONS]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                # Locust reads configuration from where it is started: there is none beside the log.
                cwd=self._log_path.parent,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._stdout = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self._stdout, False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process if it still runs, and its workers if any does."""
        self.end()
        self._end_workers()
        self._selector.close()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._process.poll()

    def messages(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """The JSON lines that have come, after waiting for one at most `timeout_s`."""
        if not self._selector.select(timeout_s):
            return
        try:
            while chunk := os.read(self._stdout, _CHUNK_BYTES):
                self._unread += chunk
        except BlockingIOError:
            pass
        else:
            # It says no more, so it is about to end.
            self._wait(timeout_s)
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):  # somebody else's print
                if isinstance(message := json.loads(line), dict):
                    yield message

    def end(self) -> None:
        """Ask it to end, then insist; returns when it has ended."""
        for number, patience_s in _ENDINGS:
            if self.exit_code is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self._wait(patience_s)

    def _end_workers(self) -> None:
        """A worker that lost its master ends by itself when it has written its rows; after some patience it is ended.

        They are in the process's own group. One that has ended and that nobody takes leave of is waited for, too.
        """
        deadline = time.monotonic() + _WORKERS_S
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self._process.pid, 0)
                time.sleep(_TICK_S)
            os.killpg(self._process.pid, signal.SIGKILL)

    def _wait(self, timeout_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def _environment(self) -> dict[str, str]:
        """Ours, without Locust's own variables, which would be settings beside the plan."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        root = str(_LOCUSTFILE.parent.parent)
        paths = os.pathsep.join(filter(None, (root, ours.get("PYTHONPATH"))))
        return ours | {PLAN_VARIABLE: str(self._plan_path), "PYTHONPATH": paths}
