"""The Locust process: started in a session of its own, read line by line, and always ended."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from loadtest.generator.plan import PLAN_VARIABLE

_CHECKOUT = Path(__file__).parents[2]
_LOCUSTFILE = _CHECKOUT / "loadtest/generator/locustfile.py"

# Signals that end the process, and the seconds that it has after each. At the first it stops users and writes rows.
_SIGNALS = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))

# How long workers may take to notice that their master has ended, in seconds.
_WORKERS_S, _POLL_S = 5.0, 0.02

_CHUNK_BYTES = 65536

# Failed requests are rows; the exit code is only of failures of the generator.
LOCUST_OPTIONS = ("--headless", "--only-summary", "--exit-code-on-error", "0")


class LocustProcess:
    """A context manager: the process exists only inside it."""

    def __init__(self, plan_path: Path, log_path: Path) -> None:
        self._plan_path = plan_path
        self._log_path = log_path
        self._selector = selectors.DefaultSelector()
        self._unread = b""

    def __enter__(self) -> Self:
        """Start Locust; its log goes to the log file, its standard output is read by `messages`."""
        command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), *LOCUST_OPTIONS]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                # Locust reads configuration from its working directory: there is none beside the log.
                cwd=self._log_path.parent,
                env=environment({PLAN_VARIABLE: str(self._plan_path)}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._stdout = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self._stdout, False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and its workers, if any still runs."""
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
        """The JSON lines that have come, after a wait of at most `timeout_s` for the first."""
        if not self._selector.select(timeout_s):
            return
        try:
            while chunk := os.read(self._stdout, _CHUNK_BYTES):
                self._unread += chunk
        except BlockingIOError:
            pass
        else:
            # Its output is closed, so it is about to end.
            self._wait(timeout_s)
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):  # not a line of the generator
                if isinstance(message := json.loads(line), dict):
                    yield message

    def end(self) -> None:
        """Send one signal after another until it has ended."""
        for number, timeout_s in _SIGNALS:
            if self.exit_code is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self._wait(timeout_s)

    def _end_workers(self) -> None:
        """Wait for the workers, which end by themselves when they have written their rows, and then kill them.

        They are in the process's own group; one that has ended but is not reaped is waited for, too.
        """
        deadline = time.monotonic() + _WORKERS_S
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self._process.pid, 0)
                time.sleep(_POLL_S)
            os.killpg(self._process.pid, signal.SIGKILL)

    def _wait(self, timeout_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment and these, without Locust's own variables, which would override the plan."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    paths = os.pathsep.join(filter(None, (str(_CHECKOUT), kept.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": paths, **variables}
