"""Runs a sweep from its journal to its end: shows it, answers Ctrl-C, and rewrites the report as runs arrive."""

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.objective import Asked, ObjectiveError
from analysis.report.collect import collect
from analysis.report.document import RunPage
from analysis.report.render import write_report
from analysis.results.store import ResultsStore
from analysis.results.store_files import StoreError
from shapebench.output import note
from shapebench.sweep_watch import watched
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Observer, Outcome, Snapshot
from sweep.fleet import Expected, Fleet
from sweep.journal.journal import Journal
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.estimate import assumed_world
from sweep.simulation.run import simulate
from sweep.strategies.create import strategy_of

# Each snapshot of a simulated sweep is shown for so long.
_FRAME_S = 0.05
_STOPPING = (
    "Stopping: running updates are cancelled, every stack is destroyed, then the answer so far is printed. Press Ctrl-C"
    " again to end at once; stacks that are up then stay up and cost money."
)


def run_simulated(settings: SweepSettings, expected: Mapping[str, Expected]) -> Outcome:
    """The outcome on made-up stacks, with the prices and times of the real ones; in a terminal, slow enough to see."""
    settings = settings.model_copy(update={"simulated": True})
    world = assumed_world(settings, expected, settings.seed)
    with TemporaryDirectory() as folder, watched(settings) as show:

        def observe(snapshot: Snapshot) -> None:
            show(snapshot)
            if sys.stderr.isatty():
                time.sleep(_FRAME_S)

        return simulate(Path(folder) / "simulated", settings, Cloud(world), strategy_of(settings), observe)


def run_journal(journal: Journal, fleet: Fleet, report: Path) -> tuple[Outcome, bool]:
    """The outcome, and whether the sweep was interrupted twice."""
    return asyncio.run(_conducted(journal, fleet, report))


async def _conducted(journal: Journal, fleet: Fleet, report: Path) -> tuple[Outcome, bool]:
    settings, stops = journal.settings, 0
    write = ReportWriter(settings, report)
    with watched(settings) as show:
        conductor = Conductor(journal, fleet, strategy_of(settings), both(show, write))

        def stop() -> None:
            nonlocal stops
            stops += 1
            if stops == 1:
                note(_STOPPING)
            conductor.stop()

        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(each, stop)
        return await conductor.run(), stops > 1


def both(show: Observer, write: Observer) -> Observer:
    """One observer that calls two, the quicker one first."""

    def observe(snapshot: Snapshot) -> None:
        show(snapshot)
        write(snapshot)

    return observe


class ReportWriter:
    """Writes the report whenever another run has finished; at once, so that it takes no CPU from the next run.

    Of several objectives it shows the first. What keeps it from being written is noted once and ends no sweep.
    """

    def __init__(self, settings: SweepSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._runs = 0
        self._failed = False
        self._drawn: dict[str, RunPage] = {}

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.finished_runs <= self._runs:
            return
        self._runs = snapshot.finished_runs
        try:
            findings = collect(ResultsStore(self._settings.results), asked_in(self._settings))
            write_report(findings, self._folder, drawn=self._drawn)
        except (OSError, StoreError, ObjectiveError) as error:
            if not self._failed:
                note(
                    f"the report {self._folder} was not written ({error}), but the sweep goes on; `shapebench report`"
                    " writes it later"
                )
            self._failed = True


def asked_in(settings: SweepSettings) -> Asked:
    """The first objective, as the options of a report state it."""
    load = settings.candidates[0].load
    return Asked(quantile=load.quantile, latency_ms=load.latency_ms, errors=load.error_ratio, within=settings.within)
