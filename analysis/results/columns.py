"""One run's rows as arrays: read once, and all that a report says of the run is computed from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.results.manifest import Manifest
from analysis.results.rows import open_rows
from analysis.results.store import ResultsStore

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

_NOTHING = pa.table(
    {
        **dict.fromkeys(("due_us", "start_us", "end_us"), pa.array([], pa.int64())),
        "ok": pa.array([], pa.bool_()),
        **dict.fromkeys(("phase", "error"), pa.array([], pa.string())),
    }
)
_READ = "SELECT due_us, start_us, end_us, ok, phase, error FROM requests"


@dataclass(frozen=True)
class Words:
    """A column of few different words: `code` is each row's place in `words`, -1 where it has none."""

    code: npt.NDArray[np.int32]
    words: tuple[str, ...]

    def are(self, word: str) -> Booleans:
        """Which rows have this word."""
        return np.asarray(self.code == (self.words.index(word) if word in self.words else len(self.words)))

    def counts(self) -> dict[str, int]:
        """How many rows have each word that there is."""
        found = np.bincount(self.code + 1, minlength=len(self.words) + 1)[1:]
        return {word: int(count) for word, count in zip(self.words, found, strict=True) if count}


@dataclass(frozen=True)
class Columns:
    """Arrays of one length, in the order of the files; times in microseconds since the epoch."""

    due_us: Integers
    start_us: Integers
    end_us: Integers
    ok: Booleans
    phase: Words
    error: Words

    @cached_property
    def response_us(self) -> Integers:
        """From when each request was due until it was answered."""
        return self.end_us - self.due_us

    @property
    def span_us(self) -> tuple[int, int] | None:
        """From when the first was due to when the last was answered; None where there is no row."""
        return (int(self.due_us.min()), int(self.end_us.max())) if self.due_us.size else None

    def where(self, chosen: Booleans | Integers) -> "Columns":
        """Some of the rows, or all in another order."""
        return Columns(
            self.due_us[chosen],
            self.start_us[chosen],
            self.end_us[chosen],
            self.ok[chosen],
            Words(self.phase.code[chosen], self.phase.words),
            Words(self.error.code[chosen], self.error.words),
        )


@dataclass(frozen=True)
class RunRows:
    """All rows of a run, those of the phase that counts, and why some are missing."""

    every: Columns
    counted: Columns
    missing: tuple[str, ...]


def read_columns(store: ResultsStore, manifest: Manifest) -> RunRows:
    """Read what figures are computed from: some 33 bytes a row. Rows that cannot be read are `missing`."""
    try:
        with open_rows(store, manifest) as (connection, problems):
            every = from_arrow(connection.sql(_READ).to_arrow_table())
    except duckdb.Error as error:
        nothing = from_arrow(_NOTHING)
        return RunRows(nothing, nothing, (f"the rows cannot be read: {str(error).splitlines()[0]}",))
    counted = every.where(every.phase.are(manifest.counted_phase))
    return RunRows(every, counted, tuple(f"rows are missing: {problem.path} {problem.why}" for problem in problems))


def from_arrow(table: pa.Table) -> Columns:
    """The columns of a table that has them under these names."""
    return Columns(
        due_us=table["due_us"].to_numpy(),
        start_us=table["start_us"].to_numpy(),
        end_us=table["end_us"].to_numpy(),
        ok=table["ok"].to_numpy(),
        phase=_words(table["phase"]),
        error=_words(table["error"]),
    )


def quantiles_of(ascending: Integers, quantiles: Sequence[float] | Floats) -> Floats:
    """What numpy.quantile gives, of numbers that are sorted already: it would look for their order once more."""
    exact = np.asarray(quantiles, dtype=np.float64) * (ascending.size - 1)
    below = np.floor(exact).astype(np.int64)
    above = np.minimum(below + 1, ascending.size - 1)
    return _between(ascending[below], ascending[above], exact - below)


def _between(low: Integers, high: Integers, share: Floats) -> Floats:
    """Rounded as numpy rounds: from whichever end is the nearer."""
    gap = high - low
    return np.where(share < 0.5, low + gap * share, high - gap * (1 - share))


def _words(column: pa.ChunkedArray) -> Words:
    coded = column.combine_chunks().dictionary_encode()
    code = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return Words(code, tuple(coded.dictionary.to_pylist()))
