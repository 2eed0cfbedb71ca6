"""Reads one run's figures with their intervals from the store."""

from collections.abc import Sequence
from dataclasses import replace

from analysis.results.columns import RunRows, read_columns
from analysis.results.manifest import Capacity, Manifest
from analysis.results.store import ResultsStore
from analysis.statistics.cells import cells_of
from analysis.statistics.estimate import Estimate
from analysis.statistics.within import RunFigures, run_figures

QUANTILES = (0.5, 0.9, 0.95, 0.99)

# The figures, None where a run's hold has no rate, and why the run must not be ranked on them, if so.
Read = tuple[RunFigures | None, list[str]]


def read_figures(store: ResultsStore, manifest: Manifest, quantiles: Sequence[float] = QUANTILES) -> Read:
    """The figures, and why the run must not be ranked on them, if so; None where its hold has no rate.

    They are of the hold; of a capacity search, of the capacity that it found.
    """
    return figures_of(manifest, read_columns(store, manifest), quantiles)


def figures_of(manifest: Manifest, rows: RunRows, quantiles: Sequence[float] = QUANTILES) -> Read:
    """The same, of rows that were read."""
    reasons = [*_invalid(manifest), *rows.missing]
    cells = cells_of(rows, quantiles)
    if cells is None:
        return None, [*reasons, "its hold has no two requests, so nothing was measured"]
    figures = run_figures(manifest.run_id, cells)
    return at_capacity(figures, manifest.capacity) if manifest.capacity else figures, reasons


def _invalid(manifest: Manifest) -> list[str]:
    reasons = list(manifest.validity.reasons)
    if manifest.validity.verdict == "invalid" and not reasons:
        reasons.append("it is marked invalid, and no reason was recorded")
    return reasons


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
