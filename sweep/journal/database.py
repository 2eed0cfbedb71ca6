"""The SQLite file of a journal: its tables and transactions, and the check that a file is an undamaged journal.

SQLite has no checksums of its own, so every row has one, and the row that is written with each change counts the events
that there are: one bit that flips, or a row that is gone, is damage.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from sweep.journal.records import COLUMNS, Record, Resumption, record, row
from sweep.settings import SweepSettings

# In the file's header: whose file it is ("shsw"), and the version of the tables.
_APPLICATION, _VERSION = 0x73687377, 5
_TABLES = """
CREATE TABLE sweep (settings TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE TABLE clock (
    at_s REAL NOT NULL, active_s REAL NOT NULL, wall_s REAL NOT NULL, events INTEGER NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY, stack TEXT NOT NULL, candidate TEXT, block INTEGER, length TEXT,
    begun_at_s REAL NOT NULL, end_number INTEGER UNIQUE, ended_at_s REAL, result TEXT,
    run_id TEXT UNIQUE, value_rps REAL, low_rps REAL, high_rps REAL, instances REAL, drawn TEXT,
    why TEXT NOT NULL, leftovers TEXT NOT NULL, digest TEXT NOT NULL,
    CHECK ((result IS NULL) = (ended_at_s IS NULL)), CHECK ((result IS NULL) = (end_number IS NULL)),
    CHECK ((result IS 'measured') = (run_id IS NOT NULL))
) STRICT;
CREATE TABLE resumptions (number INTEGER PRIMARY KEY, at_s REAL NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX measured_once ON tasks (candidate, block) WHERE result = 'measured';
"""
_COLUMNS = {
    "sweep": ("settings",),
    "clock": ("at_s", "active_s", "wall_s", "events"),
    "tasks": COLUMNS,
    "resumptions": ("number", "at_s"),
}
# In tables with a number; a row that has it already is replaced.
_PUT = {
    table: f"""
INSERT INTO {table} ({", ".join(names)}, digest) VALUES ({", ".join("?" * len(names))}, ?)
ON CONFLICT (number) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in (*names, "digest"))}
"""  # noqa: S608 - names of our own
    for table, names in _COLUMNS.items()
    if "number" in names
}


class JournalError(Exception):
    """The journal cannot be read or written; the message says why, and how to fix it."""


class DamagedJournalError(JournalError):
    """No answer can rest on the journal, which is damaged or not of this version; its stacks may be up."""


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
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            raise JournalError(
                f"The journal {path} exists already, so no other sweep is recorded in it. Resume its sweep, or move it"
                " away."
            ) from None
        made = cls(path)
        with made._writing() as connection:
            connection.executescript(f"BEGIN; {_TABLES}")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            made._insert("sweep", (settings.model_dump_json(),))
            made._insert("clock", (0.0, 0.0, wall_s, 0))
        made._sync_as(settings)
        return made

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `create` made; raises DamagedJournalError where it is another one, or damaged."""
        with _damage(path):
            if not path.is_file():
                raise ValueError("it is missing")
            opened = cls(path)
            application, version, schema = (
                opened._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "schema_version")
            )
            if not schema or (application, version) != (_APPLICATION, _VERSION):
                opened.close()
                raise DamagedJournalError(
                    f"{path} is not a journal of this version of shapebench, so its sweep cannot be resumed with it."
                )
            if (health := opened._connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise ValueError(health)
            if _schema(opened._connection) != _own_schema():
                raise ValueError("its tables are not those of a journal")
        return opened

    def read(self) -> Kept:
        """Everything; raises DamagedJournalError where it is not what was written."""
        with _damage(self._path):
            ((text,),) = self._read("sweep")
            ((at_s, active_s, wall_s, events),) = self._read("clock")
            rows, resumed = self._read("tasks"), self._read("resumptions")
            numbers = [
                number for task_row in rows for number in (task_row[0], task_row[COLUMNS.index("end_number")]) if number
            ]
            numbers += [number for number, _ in resumed]
            if sorted(numbers) != list(range(1, events + 1)):
                raise ValueError("records are missing")
            settings = SweepSettings.model_validate_json(text)
            candidates = {candidate.key: candidate for candidate in settings.candidates}
            records = [record(values, candidates) for values in rows]
            resumptions = [Resumption(*values) for values in resumed]
        self._sync_as(settings)
        return Kept(settings, records, resumptions, at_s, active_s, wall_s)

    def write(
        self, change: Record | Resumption | None, events: int, at_s: float, active_s: float, wall_s: float
    ) -> None:
        """Write the record, new or changed, or the resumption, if there is one, and the time.

        `events` are all beginnings and ends of tasks and all resumptions, with this one.
        """
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if isinstance(change, Record):
                connection.execute(_PUT["tasks"], _sealed("tasks", row(change)))
            elif change:
                connection.execute(_PUT["resumptions"], _sealed("resumptions", (change.number, change.at_s)))
            self._replace("clock", (at_s, active_s, wall_s, events))

    def write_settings(self, settings: SweepSettings) -> None:
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._replace("sweep", (settings.model_dump_json(),))

    def close(self) -> None:
        self._connection.close()

    def _read(self, table: str) -> list[tuple[Any, ...]]:
        """The rows of a table in their order, without their digests; raises ValueError where one does not fit."""
        names = _COLUMNS[table]
        rows = self._connection.execute(f"SELECT {', '.join(names)}, digest FROM {table} ORDER BY rowid").fetchall()  # noqa: S608 - names of our own
        for *values, digest in rows:
            if _digest(table, values) != digest:
                raise ValueError(f"a record in the table {table} is not as it was written")
        return [tuple(values) for *values, _ in rows]

    def _insert(self, table: str, values: Sequence[Any]) -> None:
        sealed = _sealed(table, values)
        self._connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(sealed))})", sealed)  # noqa: S608 - names of our own

    def _replace(self, table: str, values: Sequence[Any]) -> None:
        """Replace the only row of a table."""
        names = (*_COLUMNS[table], "digest")
        sets = ", ".join(f"{name} = ?" for name in names)
        self._connection.execute(f"UPDATE {table} SET {sets}", _sealed(table, values))  # noqa: S608 - names of our own

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


def _digest(table: str, values: Sequence[Any]) -> str:
    """16 hexadecimal digits of a row; a flipped bit leaves them as they are once in 2^64.

    Of numbers as SQLite gives them back: 0 is 0.0 in a column of type REAL.
    """
    same = [float(value) if isinstance(value, int) else value for value in values]
    return sha256(json.dumps([table, *same]).encode()).hexdigest()[:16]


def _sealed(table: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """The values of a row with its digest."""
    return (*values, _digest(table, values))


def _schema(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()


@cache
def _own_schema() -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        return _schema(connection)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever is wrong in a file that is read is damage: SQLite finds much of it, and decodes the rest as text."""
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise DamagedJournalError(f"The journal {path} is damaged: {error}.") from error
