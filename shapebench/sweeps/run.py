"""Runs a sweep from its journal to its end: shows it, answers Ctrl-C, and rewrites the report as runs arrive.

Where the journal is damaged no answer can rest on it, but nothing must stay up: its stacks are destroyed.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from shapebench.output import CommandError, note, print_text
from shapebench.sweeps.answer import Exit, destroy_command, left_of
from shapebench.sweeps.report import ReportWriter
from shapebench.sweeps.watch import watched
from stacks.files import load_settings
from sweep.conductor.conductor import Conductor
from sweep.conductor.snapshot import Observer, Outcome, Snapshot
from sweep.conductor.takedown import TakenDown, take_down
from sweep.fleet import Expected, Fleet, Progress
from sweep.journal.database import DamagedJournalError
from sweep.journal.journal import Journal, locked
from sweep.journal.stacks import stacks_of
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
    outcome: Outcome | None = None
    try:
        with watched(settings) as show, ReportWriter(settings, report) as write:
            conductor = Conductor(journal, fleet, strategy_of(settings), both(show, write))

            def stop(number: signal.Signals) -> None:
                nonlocal stops
                # A terminal that is closed hangs up twice: its shell does, and the kernel as the shell ends.
                if stops and number is signal.SIGHUP:
                    return
                stops += 1
                conductor.stop()
                if stops == 1:
                    note(_STOPPING)

            loop = asyncio.get_running_loop()
            for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(signal_number) is not signal.SIG_IGN:  # as `nohup` has it
                    loop.add_signal_handler(signal_number, stop, signal_number)
            outcome = await conductor.run()
    except Exception as error:
        # The view, too, may fail at its end; the outcome says what is up.
        if outcome is None:
            raise
        outcome = replace(outcome, error=outcome.error or error)
    return outcome, stops > 1


def both(show: Observer, write: Observer) -> Observer:
    """One observer that calls two, the quicker one first."""

    def observe(snapshot: Snapshot) -> None:
        show(snapshot)
        write(snapshot)

    return observe


def take_down_sweep(
    folder: Path, damage: DamagedJournalError, fleet_of: Callable[[], Fleet], require_consent: Callable[[str], None]
) -> int:
    """Destroy every stack of the sweep in `folder` and return the exit code; raises CommandError without consent."""
    stacks = stacks_of(folder)
    if not stacks:
        raise CommandError(
            f"{damage} Nothing in {folder} names a stack of the sweep; `pulumi stack ls` lists those that are up"
        )
    names = ", ".join(stacks)
    note(f"{damage} No answer can rest on it, so nothing is measured, and its stacks are destroyed: {names}.")
    if any(map(_may_cost_money, stacks)):
        try:
            require_consent(f"Destroy {names}?")
        except CommandError as error:
            commands = "; ".join(map(destroy_command, stacks))
            raise CommandError(f"{error}. They may be up and cost money; this destroys them, too: {commands}") from None
    with closing(locked(folder)):
        found = asyncio.run(take_down(fleet_of(), stacks, _note_progress))
    for line in (*_still_up(found), *left_of(found.leftovers)):
        note(line)
    print_text(
        f"The sweep {folder.name} gives no answer, because its journal is damaged. Its finished runs are in the results"
        " store, where `shapebench verdict` ranks them; another sweep measures what is missing."
    )
    return Exit.failed if found.may_be_up or found.leftovers else Exit.undecided


def _may_cost_money(stack: str) -> bool:
    try:
        return load_settings(stack).platform != "local"
    except Exception:  # noqa: BLE001 - a file that is broken in any way says nothing
        return True


def _note_progress(progress: Progress) -> None:
    note(progress.text)


def _still_up(found: TakenDown) -> Iterator[str]:
    for stack, why in found.may_be_up.items():
        yield f"THE STACK {stack} MAY BE UP AND COST MONEY: {why}. Destroy it: {destroy_command(stack)}"
