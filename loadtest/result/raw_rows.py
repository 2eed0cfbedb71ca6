"""The rows that the generator left in its file, as an Arrow table: all that can be read, and what could not be."""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from analysis.results.store import REQUESTS_SCHEMA
from loadtest.generator.phases import PHASE_NAME
from loadtest.generator.plan import worker_name
from loadtest.generator.recorder import SPOOL_COLUMNS

_COLUMN_TYPES = {
    name: pa.int64() if pa.types.is_timestamp(REQUESTS_SCHEMA.field(name).type) else REQUESTS_SCHEMA.field(name).type
    for name in SPOOL_COLUMNS
}

# The year 2001 in microseconds of the epoch, and as many digits as times have from then until 2286.
_EARLIEST_US = 10**15
_TIME = r"[1-9]\d{15}"

# What a whole row looks like, for the rare file in which one does not.
_NUMBER = r"-?\d{1,18}"
_ROW = re.compile(
    rf"{_TIME},{_TIME},{_NUMBER},(?:{PHASE_NAME.pattern}),[01],-?\d{{1,4}},[^,\r\n]*,{_NUMBER},{_NUMBER},[^,\r\n]*".encode(),
)


@dataclass(frozen=True)
class Spool:
    """Rows in REQUESTS_SCHEMA; whether the last line was cut off; the numbers of lines that are no rows."""

    rows: pa.Table
    torn: bool
    corrupt_lines: tuple[int, ...]


def read_spools(folder: Path, workers: int) -> Spool:
    """What all of so many workers wrote, one after the other."""
    spools = [read_spool(folder / f"{worker_name(worker)}.csv", worker_name(worker)) for worker in range(workers)]
    return Spool(
        rows=pa.concat_tables(spool.rows for spool in spools),
        torn=any(spool.torn for spool in spools),
        corrupt_lines=tuple(number for spool in spools for number in spool.corrupt_lines),
    )


def read_spool(path: Path, worker: str) -> Spool:
    """Read what the generator process `worker` wrote; a file that was never made has no rows.

    A line without its end was being written when the process was killed: it is dropped, and `torn` says so.
    """
    written = path.read_bytes() if path.exists() else b""
    whole, torn = _cut_after_last_line(written)
    corrupt_lines: tuple[int, ...] = ()
    try:
        rows = _parse(whole, worker)
    except pa.ArrowInvalid:
        whole, corrupt_lines = _without_corrupt_lines(whole)
        rows = _parse(whole, worker)
    return Spool(rows=rows, torn=torn, corrupt_lines=corrupt_lines)


def _cut_after_last_line(written: bytes) -> tuple[pa.Buffer, bool]:
    end = written.rfind(b"\n") + 1
    return pa.py_buffer(written).slice(0, end), end < len(written)


def _parse(lines: pa.Buffer, worker: str) -> pa.Table:
    """Raises ArrowInvalid when any line is not a row."""
    if not lines.size:
        return REQUESTS_SCHEMA.empty_table()
    spooled = csv.read_csv(
        pa.BufferReader(lines),
        read_options=csv.ReadOptions(column_names=list(SPOOL_COLUMNS)),
        parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=_COLUMN_TYPES,
            null_values=[""],
            strings_can_be_null=True,
            true_values=["1"],
            false_values=["0"],
        ),
    )
    columns = {name: spooled[name].cast(REQUESTS_SCHEMA.field(name).type) for name in SPOOL_COLUMNS}
    columns["worker"] = pa.repeat(worker, spooled.num_rows)
    rows = pa.Table.from_pydict(columns, schema=REQUESTS_SCHEMA)
    _require_sound(rows)
    return rows


def _require_sound(rows: pa.Table) -> None:
    """What the types alone let pass: an empty field, a time that lost digits, and a phase that does not exist."""
    for field in REQUESTS_SCHEMA:
        if not field.nullable and rows[field.name].null_count:
            raise pa.ArrowInvalid(f"{field.name} is empty in some rows")
    for name in ("intended_start", "start"):
        if pc.min(rows[name].cast(pa.int64())).as_py() < _EARLIEST_US:
            raise pa.ArrowInvalid(f"{name} is too long ago in some rows")
    for phase in pc.unique(rows["phase"]).to_pylist():
        if not PHASE_NAME.fullmatch(phase):
            raise pa.ArrowInvalid(f"there is no phase '{phase}'")


def _without_corrupt_lines(lines: pa.Buffer) -> tuple[pa.Buffer, tuple[int, ...]]:
    kept, corrupt = [], []
    for number, line in enumerate(lines.to_pybytes().split(b"\n")[:-1], start=1):
        if _ROW.fullmatch(line) and line.isascii():
            kept.append(line + b"\n")
        else:
            corrupt.append(number)
    return pa.py_buffer(b"".join(kept)), tuple(corrupt)
