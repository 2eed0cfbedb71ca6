"""Damages of a sweep's folder and results store: each is drawn from a seed, and done between two processes."""

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from sweep.journal.journal import FILE
from sweep.journal.stacks import FILE as STACKS
from sweep.simulation.cloud import Cloud
from sweep.tasks import Measured

_VALUES = ("value_rps * 1.5", "value_rps / 1.5", "low_rps / 2")


@dataclass(frozen=True)
class Damage:
    """What befalls a folder, by name. `do` gets the folder, the cloud with its results store, and the dice."""

    name: str
    do: Callable[[Path, Cloud, random.Random], None]


def _flip(path: Path, draw: random.Random, bits: int = 1) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(bits):
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _flip_in_records(folder: Path, draw: random.Random) -> None:
    """A bit near the id of a run, where the figures of a record are."""
    path = folder / FILE
    content = bytearray(path.read_bytes())
    places = [at for at in range(len(content)) if content.startswith(b"simulated-", at)]
    bit = 8 * draw.choice(places) + draw.randrange(8 * 40) if places else draw.randrange(8 * len(content))
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def _overwrite(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = draw.randrange(max(len(content) - 512, 1))
    content[at : at + 512] = draw.randbytes(512)
    path.write_bytes(content)


def _sql(folder: Path, *statements: str) -> None:
    """A change that SQLite itself makes, and finds nothing wrong with."""
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as journal:
        for statement in statements:
            journal.execute(statement)


def _lose_runs(cloud: Cloud, draw: random.Random) -> None:
    if cloud.runs:
        cloud.runs = draw.sample(cloud.runs, draw.randrange(len(cloud.runs)))


def _change_runs(cloud: Cloud, draw: random.Random) -> None:
    for at, (key, block, run) in enumerate(cloud.runs):
        if run.rps.value and draw.random() < 0.5:
            other = Measured(run.run_id, replace(run.rps, value=run.rps.value * draw.choice((0.5, 0.7, 1.5))))
            cloud.runs[at] = key, block, other


def _replace(folder: Path, _: Cloud, draw: random.Random) -> None:
    (folder / FILE).write_bytes(draw.randbytes(9000))


def _damage_both(folder: Path, _: Cloud, draw: random.Random) -> None:
    _overwrite(folder / STACKS, draw)
    _flip_in_records(folder, draw)


DAMAGES = (
    Damage("a bit of the journal", lambda folder, _, draw: _flip(folder / FILE, draw)),
    Damage("a bit of a record", lambda folder, _, draw: _flip_in_records(folder, draw)),
    Damage("twenty bits of the journal", lambda folder, _, draw: _flip(folder / FILE, draw, 20)),
    Damage("512 bytes of the journal", lambda folder, _, draw: _overwrite(folder / FILE, draw)),
    Damage("the journal is cut", lambda folder, _, draw: os.truncate(
        folder / FILE, draw.randrange((folder / FILE).stat().st_size))),
    Damage("the journal is empty", lambda folder, *_: os.truncate(folder / FILE, 0)),
    Damage("the journal is gone", lambda folder, *_: (folder / FILE).unlink()),
    Damage("the journal is another file", _replace),
    Damage("the journal is older", lambda folder, *_: _sql(folder, "PRAGMA user_version = 2")),
    Damage("records are deleted", lambda folder, _, draw: _sql(
        folder, f"DELETE FROM tasks WHERE number >= (SELECT max(number) FROM tasks) - {draw.randrange(3)}")),  # noqa: S608
    Damage("a figure is changed", lambda folder, _, draw: _sql(
        folder, f"UPDATE tasks SET value_rps = {draw.choice(_VALUES)} WHERE result = 'measured'")),  # noqa: S608
    Damage("a stack is said to be down", lambda folder, *_: _sql(
        folder, "UPDATE tasks SET stack = 'elsewhere' WHERE number = (SELECT max(number) FROM tasks)")),
    Damage("the list of stacks and the journal", _damage_both),
    Damage("the list of stacks is gone", lambda folder, *_: (folder / STACKS).unlink()),
    Damage("runs are missing", lambda _, cloud, draw: _lose_runs(cloud, draw)),
    Damage("runs have other figures", lambda _, cloud, draw: _change_runs(cloud, draw)),
)  # fmt: skip
