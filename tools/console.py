"""Shows what setting up is doing: one line a step on a terminal, a line now and then in a log."""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

_LOG_INTERVAL_S = 15.0
_REDRAW_INTERVAL_S = 0.25
_CLEAR_LINE = "\r\033[K"
_WIDTH = 78
_TAIL_LINES = 15


class SetupError(Exception):
    """Setting up cannot go on. The message says what is wrong, what follows, and the mend."""


def say(text: str) -> None:
    """A line of progress."""
    print(f"setup: {text}", flush=True)


class Progress:
    """A step that takes a while: redrawn in place on a terminal, told every 15 s elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._detail = "starting"
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._over = threading.Event()
        # A thread, so that a step that says nothing for a minute is still seen to be alive.
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        say(f"{self._title} …")
        self._teller.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._teller.join()
        if kind is None:
            say(f"{self._title}: done in {self._elapsed()}")

    def update(self, detail: str) -> None:
        """Say how far the step has come."""
        self._detail = detail

    def _tell(self) -> None:
        while not self._over.wait(_REDRAW_INTERVAL_S if self._terminal else _LOG_INTERVAL_S):
            if self._terminal:
                print(f"{_CLEAR_LINE}  {self._elapsed()}  {self._detail}"[:_WIDTH], end="", flush=True)
            else:
                say(f"  {self._elapsed()}  {self._detail}")
        if self._terminal:
            print(_CLEAR_LINE, end="", flush=True)

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes}:{seconds:02d}"


def run_step(
    title: str,
    command: Sequence[str],
    *,
    log: Path,
    describe: Callable[[int, str], str],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end, its output in `log`, its progress on the console.

    `describe` makes a short text of the number of lines so far and the newest one. A failure carries the last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with Progress(title) as progress, log.open("w") as file:
        with subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for count, line in enumerate(process.stdout, 1):
                file.write(line)
                tail.append(line)
                progress.update(describe(count, line.strip()))
        if process.returncode != 0:
            raise SetupError(
                f"{title} failed (status {process.returncode}), so the toolchain is incomplete. "
                f"Mend what the last lines name, then run it again; all of it is in {log}.\n\n{''.join(tail)}"
            )
