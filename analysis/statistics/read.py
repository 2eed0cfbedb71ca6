"""Reads the figures of one run, with their intervals, from the store."""

from collections.abc import Sequence

from analysis.results.run.columns import RunRows, read_columns
from analysis.results.run.disturbance import unrecorded_disturbance
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.cells import cells_of
from analysis.statistics.figures import Shown
from analysis.statistics.summary import quantiles
from analysis.statistics.within import RunFigures, run_figures

# The quantiles of the latencies that a run is shown with, each with its interval.
QUANTILES = quantiles(Shown.TABLES)

UNKNOWN_REASON = "it is marked invalid, and no reason was recorded"

# The figures, None where the run's hold has no rate, and the reasons why the run may not be ranked, if there are any.
Read = tuple[RunFigures | None, list[str]]


def read_figures(store: ResultsStore, manifest: Manifest, quantiles: Sequence[float] = QUANTILES) -> Read:
    """Read the figures of the counted phase: the hold or, after a capacity search, the step at its capacity."""
    return figures_of(manifest, read_columns(store, manifest), quantiles)


def figures_of(manifest: Manifest, rows: RunRows, quantiles: Sequence[float] = QUANTILES) -> Read:
    reasons = why_invalid(manifest, rows)
    cells = cells_of(rows, quantiles)
    if cells is None:
        return None, [
            *reasons,
            "its hold phase has fewer than two requests, so nothing was measured; give a longer durationS",
        ]
    return run_figures(manifest.run_id, cells), reasons


def why_invalid(manifest: Manifest, rows: RunRows) -> list[str]:
    """The reasons why the run may not be ranked."""
    reasons = [*manifest.validity.reasons, *rows.missing, *unrecorded_disturbance(manifest, rows)]
    if manifest.validity.verdict == "invalid" and not manifest.validity.reasons:
        reasons.insert(0, UNKNOWN_REASON)
    return reasons
