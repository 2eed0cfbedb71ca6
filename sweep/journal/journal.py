"""A sweep's journal: every task with its result, committed before and after the task, and every resumption."""

import dataclasses
import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from sweep.journal.clock import MACHINE, Clock
from sweep.journal.database import Database, JournalError
from sweep.journal.records import Record, Result, Resumption
from sweep.journal.stacks import write_stacks
from sweep.settings import SweepSettings
from sweep.tasks import Measured, Task
from tools.private_files import open_private, private_folder

FILE = "journal.sqlite"


class Journal:
    """One process at a time holds it. A method that changes it has committed when it returns, or raises JournalError.

    `records` are in the order in which the tasks began, `resumptions` in theirs.
    """

    def __init__(self, folder: Path, database: Database, lock: IO[str], clock: Clock) -> None:
        self.folder, self.sweep_id = folder, folder.name
        self._database, self._lock, self._clock = database, lock, clock
        kept = database.read()
        self.settings: SweepSettings = kept.settings
        self._records = {record.number: record for record in kept.records}
        self._resumptions = kept.resumptions
        ended = sum(not record.is_open for record in kept.records)
        self._numbers = len(kept.records) + ended + len(kept.resumptions)
        self._active_before_s = kept.active_s
        # The wall clock measures only the time between two processes, in which it may have been set back.
        self._at_before_s = kept.at_s + max(0.0, clock.wall_s() - kept.wall_s)
        self._began_s = clock.elapsed_s()

    @classmethod
    def create(cls, folder: Path, settings: SweepSettings, clock: Clock = MACHINE) -> Self:
        """Make a journal in `folder`, whose name is the sweep's id."""
        private_folder(folder)
        lock = locked(folder)
        try:
            database = Database.create(folder / FILE, settings, clock.wall_s())
            write_stacks(folder, settings)
        except OSError as error:
            raise JournalError(
                f"The journal in {folder} cannot be written ({error.strerror}), so the sweep was not begun. Correct the"
                " cause, such as a full disk or missing permissions."
            ) from error
        return cls(folder, database, lock, clock)

    @classmethod
    def open(cls, folder: Path, clock: Clock = MACHINE) -> Self:
        """Open the journal in `folder`, to go on with it; raises JournalError, and DamagedJournalError."""
        if not folder.is_dir():
            raise JournalError(
                f"There is no sweep {folder.name}: {folder} does not exist. `shapebench sweep --list` lists the sweeps"
                " that there are."
            )
        private_folder(folder)
        lock = locked(folder)
        try:
            with suppress(OSError):
                (folder / FILE).chmod(0o600)
            return cls(folder, Database.open(folder / FILE), lock, clock)
        except JournalError:
            lock.close()
            raise

    def close(self) -> None:
        """Let another process have it."""
        self._database.close()
        self._lock.close()

    @property
    def records(self) -> Sequence[Record]:
        return tuple(self._records.values())

    @property
    def resumptions(self) -> Sequence[Resumption]:
        return tuple(self._resumptions)

    @property
    def at_s(self) -> float:
        """How long ago the sweep was created, in s. Never goes back."""
        return self._at_before_s + self._clock.elapsed_s() - self._began_s

    @property
    def active_s(self) -> float:
        """How long processes have worked on the sweep, in s."""
        return self._active_before_s + self._clock.elapsed_s() - self._began_s

    def begin(self, task: Task) -> Record:
        """Record a task before it is begun."""
        record = Record(self._numbers + 1, task, begun_at_s=self.at_s)
        self._keep(record)
        return record

    def end(
        self,
        number: int,
        result: Result,
        measured: Measured | None = None,
        why: str = "",
        leftovers: Sequence[str] = (),
    ) -> Record:
        """Record how the task with this number ended."""
        record = dataclasses.replace(
            self._records[number],
            end_number=self._numbers + 1,
            ended_at_s=self.at_s,
            result=result,
            measured=measured,
            why=why,
            leftovers=tuple(leftovers),
        )
        self._keep(record)
        return record

    def resume(self) -> None:
        """Record that the sweep is resumed, which gives what failed new tries."""
        resumption = Resumption(self._numbers + 1, self.at_s)
        self._write(resumption)
        self._resumptions.append(resumption)
        self._numbers += 1

    def heartbeat(self) -> None:
        """Record the time, so that little of it is lost if the process is killed."""
        self._write(None)

    def change_limits(self, max_usd: float | None, max_hours: float | None) -> None:
        """Give the sweep other limits, such as when it is resumed. Also where this raises, in this process."""
        self.settings = self.settings.model_copy(update={"max_usd": max_usd, "max_hours": max_hours})
        self._database.write_settings(self.settings)

    def lose(self, number: int, why: str) -> Record:
        """Record that the run of a task no longer counts, in place of its result: the run is to be made again."""
        record = dataclasses.replace(self._records[number], result=Result.lost, measured=None, why=why)
        self._write(record)
        self._records[number] = record
        return record

    def _keep(self, record: Record) -> None:
        self._write(record)
        self._records[record.number] = record
        self._numbers += 1

    def _write(self, change: Record | Resumption | None) -> None:
        is_new = change is not None and not (isinstance(change, Record) and change.result is Result.lost)
        events = self._numbers + is_new
        self._database.write(change, events, self.at_s, self.active_s, self._clock.wall_s())


def locked(folder: Path) -> IO[str]:
    """The lock, which the kernel releases when the process ends, however it ends; close it to release it before."""
    try:
        lock = open_private(folder / "journal.lock", "a")
    except OSError:  # a full disk, and the file was deleted
        lock = os.fdopen(os.open(folder, os.O_RDONLY))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(
            f"Another process is running the sweep {folder.name}, so this one does not. Wait until it ends, or stop it"
            " with Ctrl-C in its terminal."
        ) from error
    return lock
