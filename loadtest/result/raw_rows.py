"""Reads the raw rows of the generator into an Arrow table, and reports the lines that cannot be read."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from analysis.results.run.columns import Integers
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from loadtest.generator.phases import PHASE_NAME
from loadtest.generator.plan import worker_name
from loadtest.generator.recorder import RAW_ROW_COLUMNS

_COLUMN_TYPES = {
    name: pa.int64() if pa.types.is_timestamp(REQUESTS_SCHEMA.field(name).type) else REQUESTS_SCHEMA.field(name).type
    for name in RAW_ROW_COLUMNS
}

# The year 2001 in microseconds of the epoch, and as many digits as times have from then until 2286.
_EARLIEST_US = 10**15
_TIME = r"[1-9]\d{15}"

# A whole row, to find the lines of a damaged file that are not.
_NUMBER = r"-?\d{1,18}"
_ROW = re.compile(
    rf"{_TIME},{_TIME},{_NUMBER},(?:{PHASE_NAME.pattern}),[01],-?\d{{1,4}},[^,\r\n]*,{_NUMBER},{_NUMBER},[^,\r\n]*".encode(),
)


@dataclass(frozen=True)
class RawRows:
    """Rows in REQUESTS_SCHEMA; whether the last line was incomplete; the numbers of the lines that are not rows."""

    rows: pa.Table
    torn: bool
    corrupt_lines: tuple[int, ...]


def read_all_raw_rows(folder: Path, workers: int) -> RawRows:
    """The rows of all workers, one worker after the other."""
    files = [read_raw_rows(folder / f"{worker_name(worker)}.csv", worker_name(worker)) for worker in range(workers)]
    return RawRows(
        rows=pa.concat_tables(file.rows for file in files),
        torn=any(file.torn for file in files),
        corrupt_lines=tuple(number for file in files for number in file.corrupt_lines),
    )


def read_raw_rows(path: Path, worker: str) -> RawRows:
    """Read the file of a worker; a file that does not exist has no rows.

    A last line without a line end was being written when the process was killed: it is dropped, and `torn` is set.
    """
    written = path.read_bytes() if path.exists() else b""
    end = written.rfind(b"\n") + 1
    whole = pa.py_buffer(written).slice(0, end)
    corrupt_lines: tuple[int, ...] = ()
    try:
        rows = _parse(whole, worker)
    except pa.ArrowInvalid:
        whole, corrupt_lines = _without_corrupt_lines(whole)
        rows = _parse(whole, worker)
    return RawRows(rows=rows, torn=end < len(written), corrupt_lines=corrupt_lines)


def _parse(lines: pa.Buffer, worker: str) -> pa.Table:
    """Raises ArrowInvalid when any line is not a row."""
    if not lines.size:
        return REQUESTS_SCHEMA.empty_table()
    raw = csv.read_csv(
        pa.BufferReader(lines),
        read_options=csv.ReadOptions(column_names=list(RAW_ROW_COLUMNS)),
        parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=_COLUMN_TYPES,
            null_values=[""],
            strings_can_be_null=True,
            true_values=["1"],
            false_values=["0"],
        ),
    )
    columns = {name: raw[name].cast(REQUESTS_SCHEMA.field(name).type) for name in RAW_ROW_COLUMNS}
    columns["worker"] = pa.repeat(worker, raw.num_rows)
    rows = pa.Table.from_pydict(columns, schema=REQUESTS_SCHEMA)
    _require_sound(rows)
    return rows


def _require_sound(rows: pa.Table) -> None:
    """Raise ArrowInvalid for what the types alone accept: an empty field, a time that lost digits, an unknown phase."""
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


def times_us(rows: pa.Table, column: str) -> Integers:
    """A column of times or durations, in microseconds."""
    return np.asarray(rows[column].cast(pa.int64()).to_numpy(), dtype=np.int64)
