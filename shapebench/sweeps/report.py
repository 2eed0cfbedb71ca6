"""Writes the report of a sweep while it runs, in a process of its own: one that is aborted ends no sweep."""

import json
import math
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Self

from analysis.objective import Asked
from shapebench.output import note
from shapebench.sweeps.report_process import Order
from sweep.conductor.snapshot import Snapshot
from sweep.settings import SweepSettings

# Less than a server takes to load a model, so that such a report is written before the next load test begins.
_SHORT_S = 5.0
# A report that takes longer is given up: the sweep may be waiting for it.
_LONGEST_S = 900.0
_COMMAND = (sys.executable, "-m", "shapebench.sweeps.report_process")


class ReportWriter:
    """An observer that writes the report whenever another run has finished. A context manager, which ends its process.

    The report is written while the next update begins. The observer waits only for one that may take long, so that it
    takes no CPU from a load test on this machine: for the first report, and for each after one that took long.

    Of several objectives the report shows the first. What keeps it from being written is noted once and ends no sweep:
    not a mistake in the program, and not an abort of a library that it uses.
    """

    def __init__(self, settings: SweepSettings, folder: Path) -> None:
        self._order = Order(settings.results, _asked(settings), str(folder.absolute()))
        self._folder = folder
        self._runs = 0
        self._failed = False
        self._took_s = math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._writing: Future[None] | None = None
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown()
        if self._process:
            # It ends when there is nothing more to read.
            with suppress(OSError):
                self._process.communicate()

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.finished_runs <= self._runs:
            return
        self._runs = snapshot.finished_runs
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._write)
        if self._took_s > _SHORT_S:
            self._writing.result()

    def _write(self) -> None:
        begun_s = time.monotonic()
        try:
            answer = self._ask()
        except (OSError, ValueError) as error:
            answer = repr(error)
        if answer and not self._failed:
            note(f"the report {self._folder} was not written ({answer}), but the sweep goes on; `shapebench report`"
                 " writes it later, or shows where it fails")  # fmt: skip
            self._failed = True
        self._took_s = time.monotonic() - begun_s

    def _ask(self) -> str:
        """Let the process write the report; returns why it was not written, empty where it was."""
        if self._process is None:
            # In a session of its own, so that Ctrl-C does not end it before the last report.
            self._process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
        process = self._process
        assert process.stdin
        assert process.stdout
        limit = Timer(_LONGEST_S, process.kill)
        limit.start()
        try:
            process.stdin.write(self._order.text + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""  # it has ended before
        finally:
            limit.cancel()
        if answer:
            return str(json.loads(answer))
        self._process = None
        with suppress(OSError):
            process.communicate()
        return f"its process ended with exit status {process.wait()}"


def _asked(settings: SweepSettings) -> Asked:
    """The first objective, as the options of a report state it."""
    load = settings.candidates[0].load
    return Asked(quantile=load.quantile, latency_ms=load.latency_ms, errors=load.error_ratio, within=settings.within)
