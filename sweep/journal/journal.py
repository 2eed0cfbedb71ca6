"""The file of a journal: made, opened and written."""

from pathlib import Path
from typing import Self

from sweep.settings import SweepSettings


class JournalError(Exception):
    """The journal cannot be read or written; the message says why, and how to mend it."""


class Journal:
    """One process at a time holds it; every method that changes it has committed when it returns."""

    sweep_id: str
    settings: SweepSettings

    @classmethod
    def create(cls, folder: Path, settings: SweepSettings) -> Self:
        """Make `journal.sqlite` in `folder`, `.state/sweeps/<sweep id>`; raises JournalError where there is one."""
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the journal to go on with it; raises JournalError, also where another process holds it."""
        raise NotImplementedError

    def close(self) -> None:
        """Let another process have it."""
        raise NotImplementedError
