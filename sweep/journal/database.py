"""The SQLite file of a journal: its tables and transactions, and the check that a file is an undamaged journal."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sweep.journal.records import COLUMNS, Record, Resumption, record, row
from sweep.settings import SweepSettings

# In the file's header: whose file it is ("shsw"), and the version of the tables.
_APPLICATION, _VERSION = 0x73687377, 2
_TABLES = """
CREATE TABLE sweep (settings TEXT NOT NULL) STRICT;
CREATE TABLE clock (at_s REAL NOT NULL, active_s REAL NOT NULL, wall_s REAL NOT NULL) STRICT;
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY, stack TEXT NOT NULL, candidate TEXT, block INTEGER, length TEXT,
    begun_at_s REAL NOT NULL, end_number INTEGER UNIQUE, ended_at_s REAL, result TEXT,
    run_id TEXT UNIQUE, value_rps REAL, low_rps REAL, high_rps REAL, why TEXT NOT NULL, leftovers TEXT NOT NULL,
    CHECK ((result IS NULL) = (ended_at_s IS NULL)), CHECK ((result IS NULL) = (end_number IS NULL)),
    CHECK ((result IS 'measured') = (run_id IS NOT NULL))
) STRICT;
CREATE TABLE resumptions (number INTEGER PRIMARY KEY, at_s REAL NOT NULL) STRICT;
CREATE UNIQUE INDEX measured_once ON tasks (candidate, block) WHERE result = 'measured';
"""
_PUT = f"""
INSERT INTO tasks ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
ON CONFLICT (number) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
"""  # noqa: S608 - names of our own
_GET = f"SELECT {', '.join(COLUMNS)} FROM tasks ORDER BY number"  # noqa: S608 - names of our own


class JournalError(Exception):
    """The journal cannot be read or written; the message says why, and how to mend it."""


@dataclass(frozen=True)
class Kept:
    """All that a journal keeps. `at_s`, `active_s` and `wall_s` are of the last time that it was written."""

    settings: SweepSettings
    records: list[Record]
    resumptions: list[Resumption]
    at_s: float
    active_s: float
    wall_s: float


class Database:
    """An open file. Each write is one transaction, on disk when the method returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)

    @classmethod
    def create(cls, path: Path, settings: SweepSettings, wall_s: float) -> Self:
        if path.exists():
            raise JournalError(
                f"The journal {path} exists already, so no other sweep is recorded in it. Resume its sweep, or move it"
                " away."
            )
        made = cls(path)
        with made._writing() as connection:
            connection.executescript(f"BEGIN; {_TABLES}")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("INSERT INTO sweep VALUES (?)", (settings.model_dump_json(),))
            connection.execute("INSERT INTO clock VALUES (0, 0, ?)", (wall_s,))
        made._sync_as(settings)
        return made

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `create` made; raises JournalError where it is another one, or damaged."""
        opened = cls(path)
        try:
            application, version, health = (
                opened._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "quick_check")
            )
        except sqlite3.DatabaseError as error:
            raise _damaged(path, str(error)) from error
        if (application, version) != (_APPLICATION, _VERSION):
            raise JournalError(
                f"{path} is not a journal of this version of shapebench, so its sweep cannot be resumed. Resume it with"
                " the version that began it; if the file is empty, the sweep had not begun, so delete its folder."
            )
        if health != "ok":
            raise _damaged(path, health)
        return opened

    def read(self) -> Kept:
        """Everything; raises JournalError where it contradicts itself."""
        try:
            ((text,),) = self._connection.execute("SELECT settings FROM sweep").fetchall()
            ((at_s, active_s, wall_s),) = self._connection.execute(
                "SELECT at_s, active_s, wall_s FROM clock"
            ).fetchall()
            rows = self._connection.execute(_GET).fetchall()
            resumed = self._connection.execute("SELECT number, at_s FROM resumptions ORDER BY number").fetchall()
            settings = SweepSettings.model_validate_json(text)
            candidates = {candidate.key: candidate for candidate in settings.candidates}
            records = [record(values, candidates) for values in rows]
            resumptions = [Resumption(*values) for values in resumed]
        except (sqlite3.DatabaseError, ValueError, KeyError) as error:
            raise _damaged(self._path, str(error)) from error
        numbers = [number for kept in records for number in (kept.number, kept.end_number) if number]
        numbers = sorted([*numbers, *(kept.number for kept in resumptions)])
        if numbers != list(range(1, len(numbers) + 1)):
            raise _damaged(self._path, "tasks are missing")
        self._sync_as(settings)
        return Kept(settings, records, resumptions, at_s, active_s, wall_s)

    def write(self, change: Record | Resumption | None, at_s: float, active_s: float, wall_s: float) -> None:
        """Write the record, new or changed, or the resumption, if there is one, and the time."""
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if isinstance(change, Record):
                connection.execute(_PUT, row(change))
            elif change:
                connection.execute("INSERT INTO resumptions VALUES (?, ?)", (change.number, change.at_s))
            connection.execute("UPDATE clock SET at_s = ?, active_s = ?, wall_s = ?", (at_s, active_s, wall_s))

    def write_settings(self, settings: SweepSettings) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE sweep SET settings = ?", (settings.model_dump_json(),))

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                yield self._connection
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise JournalError(
                f"The journal {self._path} cannot be written ({error}), so the sweep begins no run. Correct the cause,"
                " such as a full disk or missing permissions, then resume the sweep."
            ) from error

    def _sync_as(self, settings: SweepSettings) -> None:
        """A simulated sweep has nothing to lose in a power cut, and its tasks take no time."""
        if settings.simulated:
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("PRAGMA journal_mode = MEMORY")


def _damaged(path: Path, why: str) -> JournalError:
    return JournalError(
        f"The journal {path} is damaged: {why}. Its sweep cannot be resumed, and its stacks may be up. Destroy each"
        " with `tools/take_down NAME` if it is a GKE stack, else with `pulumi destroy --stack NAME`. The finished runs"
        " are in the results store."
    )
