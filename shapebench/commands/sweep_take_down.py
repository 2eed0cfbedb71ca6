"""Destroys the stacks of a sweep whose journal is damaged: no answer can rest on it, but nothing must stay up."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from shapebench.commands.sweep_answer import Exit, destroy_command, left_of
from shapebench.output import CommandError, note, print_text
from stacks.files import load_settings
from sweep.conductor.takedown import TakenDown, take_down
from sweep.fleet import Fleet, Progress
from sweep.journal.database import DamagedJournalError
from sweep.journal.journal import locked
from sweep.journal.stacks import stacks_of


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
