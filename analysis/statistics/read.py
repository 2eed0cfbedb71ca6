"""Reads one run's figures with their intervals from the store."""

from collections.abc import Sequence
from dataclasses import replace

import duckdb
import numpy as np

from analysis.manifest import Capacity, Manifest
from analysis.rows import open_rows
from analysis.statistics.cells import Hold, Integers, cells_of
from analysis.statistics.estimate import Estimate
from analysis.statistics.within import RunFigures, run_figures
from analysis.store import ResultsStore

QUANTILES = (0.5, 0.9, 0.95, 0.99)


def read_figures(
    store: ResultsStore, manifest: Manifest, quantiles: Sequence[float] = QUANTILES
) -> tuple[RunFigures | None, list[str]]:
    """The figures, and why the run must not be ranked on them, if so; None where its hold has no rate.

    They are of the hold; of a capacity search, of the capacity that it found.

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
    figures = run_figures(manifest.run_id, cells)
    return at_capacity(figures, manifest.capacity) if manifest.capacity else figures, reasons


def at_capacity(figures: RunFigures, capacity: Capacity) -> RunFigures:
    """The figures of the step at the capacity, with what the search knows from all of its steps.

    Goodput is the rate that the search found, with its interval, less the step's errors. The search certified that
    its quantile is at most its limit there (at 99 %), so no quantile up to that one reaches further.
    """
    rps = capacity.rps
    most_ms = capacity.latency_ms
    return replace(
        figures,
        goodput_rps=Estimate(rps.value, rps.low, rps.high).times(1 - figures.error_share.value),
        quantiles_ms={
            quantile: replace(estimate, high=max(estimate.value, min(estimate.high, most_ms)))
            if quantile <= capacity.quantile
            else estimate
            for quantile, estimate in figures.quantiles_ms.items()
        },
    )


def _hold(connection: duckdb.DuckDBPyConnection, phase: str) -> Hold:
    query = "SELECT due_us, end_us, ok FROM requests WHERE phase = ?"
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
