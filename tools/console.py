"""Prints the progress of the set-up: one line for each step on a terminal, a line now and then in a log."""

import subprocess
import sys
import textwrap
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
_INTERRUPTED = 130


class SetupError(Exception):
    """The set-up cannot go on. The message says what is wrong, what follows, and how to solve it."""


def run_setup(setup: Callable[[], object]) -> int:
    """Run a set-up, and print its SetupError or that it was interrupted; returns the exit status."""
    try:
        setup()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run it again to go on", file=sys.stderr)
        return _INTERRUPTED
    return 0


def say(text: str) -> None:
    """Print a sentence, in lines that a terminal of 80 columns does not break; a path or an address stays whole."""
    lines = textwrap.wrap(f"setup: {text}", 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    print("\n".join(lines), flush=True)


class Progress:
    """A context manager for a long step: redraws one line on a terminal, prints a line every 15 s elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._detail = "starting"
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._ended = threading.Event()
        # A thread, so that the elapsed time goes on during a step without output.
        self._printer = threading.Thread(target=self._print, daemon=True)

    def __enter__(self) -> Self:
        say(f"{self._title} …")
        self._printer.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._ended.set()
        self._printer.join()
        if kind is None:
            say(f"{self._title}: done in {self._elapsed()}")

    def update(self, detail: str) -> None:
        """Set the text that says how far the step is."""
        self._detail = detail

    def _print(self) -> None:
        while not self._ended.wait(_REDRAW_INTERVAL_S if self._terminal else _LOG_INTERVAL_S):
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
    """Run a command until it ends; its output goes to `log`, its progress to the console.

    `describe` returns a short text for the number of lines so far and the newest line. A SetupError holds the last
    lines.
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
                f"{title}: failed (status {process.returncode}), so the set-up is incomplete. "
                f"Solve what the last lines name, then run it again; all output is in {log}.\n\n{''.join(tail)}"
            )
