"""Opens one run's rows in DuckDB: read lazily from the store's Parquet files, so memory stays flat as rows grow."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from fsspec.implementations.local import LocalFileSystem

from analysis.results.manifest import Manifest
from analysis.results.store import REQUESTS_SCHEMA, Problem, ResultsStore

# Aggregates of a run fit in far less; with this limit a run of any size spills to disk instead of taking the machine.
_MEMORY_LIMIT = "512MB"

# Times as microseconds since the epoch: integers, so that nothing depends on a time zone or is rounded.
_TIMED = """
    *, epoch_us(start) AS start_us, epoch_us(intended_start) AS due_us, epoch_us(start) + latency_us AS end_us,
    epoch_us(start) + latency_us - epoch_us(intended_start) AS response_us
"""


@contextmanager
def open_rows(store: ResultsStore, manifest: Manifest) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Problem]]]:
    """A connection with the view `requests` (the contract's columns, and four), and what it lacks.

    `due_us`, `start_us` and `end_us` are when a request should have been sent, was sent and was answered; `response_us`
    is from the first to the last of these, so that a stall is seen by every request that it delayed.

    A page that cannot be read makes the query that needs it raise duckdb.Error.
    """
    parts, problems = store.parts(manifest)
    with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "autoinstall_known_extensions": False}) as connection:
        if not isinstance(store.filesystem, LocalFileSystem):
            connection.register_filesystem(store.filesystem)
            parts = [store.filesystem.unstrip_protocol(part) for part in parts]
        rows = connection.read_parquet(parts) if parts else connection.from_arrow(REQUESTS_SCHEMA.empty_table())
        rows.project(_TIMED).create_view("requests")
        yield connection, problems
