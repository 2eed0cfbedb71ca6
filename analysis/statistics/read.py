"""Reads one run's figures with their intervals from the store."""

from collections.abc import Sequence

import duckdb
import numpy as np

from analysis.manifest import Manifest
from analysis.rows import open_rows
from analysis.statistics.cells import Hold, Integers, cells_of
from analysis.statistics.within import RunFigures, run_figures
from analysis.store import ResultsStore

QUANTILES = (0.5, 0.9, 0.95, 0.99)


def read_figures(
    store: ResultsStore, manifest: Manifest, quantiles: Sequence[float] = QUANTILES
) -> tuple[RunFigures | None, list[str]]:
    """The figures, and why the run must not be ranked on them, if so; None where its hold has no rate.

    One run at a time, and of it only times and outcomes: 25 bytes a row.
    """
    reasons = list(manifest.validity.reasons)
    if manifest.validity.verdict == "invalid" and not reasons:
        reasons.append("it is marked invalid, and no reason was recorded")
    try:
        with open_rows(store, manifest) as (connection, problems):
            reasons += [f"rows are missing: {problem.path} {problem.why}" for problem in problems]
            hold = _hold(connection, manifest.counted_phase)
            arrived_us = _arrived_us(connection, manifest.counted_phase)
    except duckdb.Error as error:
        return None, [*reasons, f"the rows cannot be read: {str(error).splitlines()[0]}"]
    cells = cells_of(hold, arrived_us, quantiles)
    if cells is None:
        return None, [*reasons, "its hold has no two requests, so nothing was measured"]
    return run_figures(manifest.run_id, cells), reasons


def _hold(connection: duckdb.DuckDBPyConnection, phase: str) -> Hold:
    query = "SELECT epoch_us(intended_start) AS due_us, end_us, ok FROM requests WHERE phase = ?"
    rows = connection.execute(query, [phase]).fetchnumpy()
    return Hold(
        due_us=np.asarray(rows["due_us"], dtype=np.int64),
        end_us=np.asarray(rows["end_us"], dtype=np.int64),
        ok=np.asarray(rows["ok"], dtype=np.bool_),
    )


def _arrived_us(connection: duckdb.DuckDBPyConnection, phase: str) -> Integers:
    """When good answers came, from the hold's first request on; also those to requests of the ramp."""
    query = "SELECT end_us FROM requests WHERE ok AND end_us > (SELECT min(start_us) FROM requests WHERE phase = ?)"
    return np.asarray(connection.execute(query, [phase]).fetchnumpy()["end_us"], dtype=np.int64)
