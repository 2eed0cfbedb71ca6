"""Writes the report of a sweep while it runs."""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from analysis.objective import Asked, ObjectiveError
from analysis.report.collect import collect
from analysis.report.document import RunPage
from analysis.report.render import write_report
from analysis.results.store import ResultsStore
from analysis.results.store_files import StoreError
from shapebench.output import note
from sweep.conductor.snapshot import Snapshot
from sweep.settings import SweepSettings

# Less than a server takes to load a model, so that such a report is written before the next load test begins.
_SHORT_S = 5.0


class ReportWriter:
    """An observer that writes the report whenever another run has finished. A context manager, which ends its thread.

    The thread writes while the next update begins. Only where that may take long, the observer waits for it, so that it
    takes no CPU from a load test on this machine: with the first report, and with each after one that took long.

    Of several objectives the report shows the first. What keeps it from being written is noted once and ends no sweep,
    not even a mistake in the program.
    """

    def __init__(self, settings: SweepSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._runs = 0
        self._failed = False
        self._drawn: dict[str, RunPage] = {}
        self._took_s = math.inf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown()
        if self._writing and not error:
            self._writing.result()

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
            findings = collect(ResultsStore(self._settings.results), _asked(self._settings))
            write_report(findings, self._folder, drawn=self._drawn)
        except (OSError, StoreError, ObjectiveError) as error:
            self._note(str(error), "`shapebench report` writes it later")
        except Exception as error:  # noqa: BLE001 - the sweep is paid for
            self._note(repr(error), "`shapebench report` shows where")
        self._took_s = time.monotonic() - begun_s

    def _note(self, error: str, mend: str) -> None:
        if not self._failed:
            note(f"the report {self._folder} was not written ({error}), but the sweep goes on; {mend}")
        self._failed = True


def _asked(settings: SweepSettings) -> Asked:
    """The first objective, as the options of a report state it."""
    load = settings.candidates[0].load
    return Asked(quantile=load.quantile, latency_ms=load.latency_ms, errors=load.error_ratio, within=settings.within)
