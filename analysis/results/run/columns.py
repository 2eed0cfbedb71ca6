"""One run's rows as arrays: read once, and every figure of the run is computed from them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from analysis.results.schema.manifest import Manifest
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.layout import Problem, rows_folder
from analysis.results.storage.parquet import TOO_MANY
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from analysis.results.storage.values import why_no_rows
from stacks.explain import first_line
from stacks.load.load_profiles import MOST_REQUESTS

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_LABELS = ("phase", "error", "backend")
_READ = ("intended_start", "start", "latency_us", "ok", *_LABELS)
_SCHEMA = pa.schema(
    field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in _LABELS else field
    for field in map(REQUESTS_SCHEMA.field, _READ)
)
_CHECKED_PARQUET = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
# So many rows are sorted at a time, so that memory does not grow with the run.
_ROWS_IN_ORDER = 1_000_000


@dataclass(frozen=True)
class Labels:
    """A column of few different strings: `codes` are indices of `names`, -1 where a row has none."""

    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def equal(self, name: str) -> Booleans:
        return np.asarray(self.codes == (self.names.index(name) if name in self.names else len(self.names)))

    def where(self, chosen: Booleans | Integers) -> "Labels":
        """The labels of some of the rows, or of all of them in another order."""
        return Labels(self.codes[chosen], self.names)

    def counts(self) -> dict[str, int]:
        found = np.bincount(self.codes + 1, minlength=len(self.names) + 1)[1:]
        return {name: int(count) for name, count in zip(self.names, found, strict=True) if count}


@dataclass(frozen=True)
class Columns:
    """Arrays of one length, in the order of the files; times in microseconds since the epoch."""

    intended_start_us: Integers
    start_us: Integers
    end_us: Integers
    ok: Booleans
    phase: Labels
    error: Labels
    backend: Labels

    @cached_property
    def response_us(self) -> Integers:
        """From when each request was due to the end of its answer."""
        return self.end_us - self.intended_start_us

    @property
    def span_us(self) -> tuple[int, int] | None:
        """From when the first request was due to the end of the last answer; None without rows."""
        return (int(self.intended_start_us.min()), int(self.end_us.max())) if self.intended_start_us.size else None

    def where(self, chosen: Booleans | Integers) -> "Columns":
        """Some of the rows, or all of them in another order."""
        return Columns(
            self.intended_start_us[chosen],
            self.start_us[chosen],
            self.end_us[chosen],
            self.ok[chosen],
            self.phase.where(chosen),
            self.error.where(chosen),
            self.backend.where(chosen),
        )


@dataclass(frozen=True)
class RunRows:
    """All rows of a run, the rows of the counted phase, its samples, and why any of these are missing."""

    every: Columns
    counted: Columns
    samples: pa.Table
    missing: tuple[str, ...]


class RowsError(OSError):
    """The rows of a run cannot be read; the message says why."""


def read_columns(store: ResultsStore, manifest: Manifest) -> RunRows:
    """Read what figures are computed from, 37 bytes per row. If a file is not as its manifest says, there are no rows.

    The samples are verified, too: a run is whole, or it is not ranked.
    """
    try:
        every, problems = _read(store, manifest)
        missing = [f"{problem.path} {problem.why}" for problem in problems]
    except RowsError as error:
        every, missing = _EMPTY, [f"the rows cannot be read: {error}"]
    if isinstance(samples := store.samples(manifest), Problem):
        missing.append(f"{samples.path} {samples.why}")
        samples = SAMPLES_SCHEMA.empty_table()
    return RunRows(every, every.where(every.phase.equal(manifest.counted_phase)), samples, tuple(missing))


def rows_in_order(store: ResultsStore, manifest: Manifest) -> Iterator[pa.Table]:
    """All columns of a run's rows in the order of `intended_start`, a million rows a table. Raises RowsError."""
    read, problems = _read(store, manifest)
    if problems:
        raise RowsError("; ".join(f"{problem.path} {problem.why}" for problem in problems))
    intended_start_us = np.sort(read.intended_start_us)
    if not intended_start_us.size:
        return
    parts, _ = store.parts(manifest)
    dataset = ds.dataset(parts, schema=REQUESTS_SCHEMA, filesystem=store.filesystem, format=_CHECKED_PARQUET)
    at_us = pc.field("intended_start").cast(pa.int64())
    edges_us = np.unique([*intended_start_us[::_ROWS_IN_ORDER], intended_start_us[-1] + 1])
    for from_us, until_us in pairwise(edges_us.tolist()):
        with _errors_named():
            rows = dataset.to_table(filter=(at_us >= from_us) & (at_us < until_us))
        yield rows.take(np.argsort(rows["intended_start"].cast(pa.int64()).to_numpy(), kind="stable"))


def _read(store: ResultsStore, manifest: Manifest) -> tuple[Columns, list[Problem]]:
    """The columns of a run that is whole; without rows, the problems of one that is not."""
    tables, problems, count = [_SCHEMA.empty_table()], list[Problem](), 0
    with _errors_named():
        for file in store.row_files(manifest, read_dictionary=_LABELS):
            if isinstance(file, Problem):
                problems.append(file)
                continue
            with file:
                count += file.metadata.num_rows
                if not problems and count <= MOST_REQUESTS:
                    tables.append(file.read(_READ).cast(_SCHEMA))
        rows = pa.concat_tables(tables).unify_dictionaries()
        why = why_no_rows(rows) if count <= MOST_REQUESTS else TOO_MANY.format(f"{count:,} rows")
    if why:
        problems.append(Problem(rows_folder(manifest.stack, manifest.run_id), why))
    return (_EMPTY if problems else _columns(rows)), problems


def _columns(rows: pa.Table) -> Columns:
    start_us = rows["start"].cast(pa.int64()).to_numpy()
    return Columns(
        intended_start_us=rows["intended_start"].cast(pa.int64()).to_numpy(),
        start_us=start_us,
        end_us=start_us + rows["latency_us"].to_numpy(),
        ok=rows["ok"].to_numpy(),
        phase=_labels(rows["phase"]),
        error=_labels(rows["error"]),
        backend=_labels(rows["backend"]),
    )


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise RowsError(str(error)) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RowsError(f"{first_line(error)}; try again, or restore the run's files of rows from a copy") from error


def _labels(column: pa.ChunkedArray) -> Labels:
    encoded = column.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return Labels(codes, tuple(encoded.dictionary.to_pylist()))


_EMPTY = _columns(_SCHEMA.empty_table())


def quantiles_of(ascending: Integers, quantiles: Sequence[float] | Floats) -> Floats:
    """The same as numpy.quantile, of sorted numbers, without sorting them again."""
    exact = np.asarray(quantiles, dtype=np.float64) * (ascending.size - 1)
    below = np.floor(exact).astype(np.int64)
    above = np.minimum(below + 1, ascending.size - 1)
    return _between(ascending[below], ascending[above], exact - below)


def _between(low: Integers, high: Integers, share: Floats) -> Floats:
    """Interpolate as numpy does, from the nearer end, so that rounding is the same."""
    gap = high - low
    return np.where(share < 0.5, low + gap * share, high - gap * (1 - share))
