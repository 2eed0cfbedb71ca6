"""`shapebench runs`: the finished runs of a store, with their figures."""

from typing import Any

from analysis.comparability import comparison_group, cpus
from analysis.formatting import shape_name, short_ids, stack_and_serving_name
from analysis.report.run_tables import REPEATS, repeats_table
from analysis.report.tables import Table
from analysis.results.run.columns import read_columns
from analysis.results.run.disturbance import was_disturbed
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore, Scan
from analysis.statistics.figures import Shown
from analysis.statistics.read import figures_of
from analysis.statistics.spread import QUANTILES, Repeats, repeats_of
from analysis.statistics.summary import FIGURES, RunSummary, figures, of_requests, summary_of
from shapebench.output import note, print_json, print_table
from shapebench.skipped import no_finished_run, note_skipped, skipped_json

_TEXT = ("run", "variant", "validity", "started, UTC", "shape", "group")
_FIGURES = figures(Shown.RUNS)
# The figures that a reader compares runs by, the least important first.
_COMPARED = ("capacity_rps", "p99_ms", "goodput_rps", "usd_per_million_good")
_PREDICTIONS = "predictions/request"
_OTHERS = tuple(figure for figure in _FIGURES if figure.name not in _COMPARED)
# What a narrow terminal has no room for, in the order in which it goes; `shapebench show` has it.
_DISPENSABLE = (
    "group",
    *(figure.title for figure in reversed(_OTHERS) if Shown.RUN not in figure.shown),
    "shape",
    _PREDICTIONS,
    *(figure.title for figure in reversed(_OTHERS) if Shown.RUN in figure.shown),
    "started, UTC",
    *(FIGURES[name].title for name in _COMPARED),
)


def print_runs(uri: str, *, as_json: bool) -> None:
    """Print every finished run in order of time, and what was skipped on stderr."""
    store = ResultsStore(uri)
    scan = store.scan()
    runs, repeated = [], []
    for manifest in scan.manifests:
        rows = read_columns(store, manifest)
        runs.append((manifest, summary_of(manifest, rows)))
        if manifest.repeat:
            repeated.append((manifest, figures_of(manifest, rows, QUANTILES)))
    repeats = repeats_of(repeated)
    if as_json:
        print_json(_json(scan, runs, repeats))
        return
    if runs:
        ids = short_ids([manifest.run_id for manifest in scan.manifests])
        # Only where it says something: most requests are one prediction.
        several = any(manifest.serving.model.instances != 1 for manifest, _ in runs)
        table = [
            (
                ids[manifest.run_id],
                stack_and_serving_name(manifest),
                validity(summary),
                f"{manifest.started_at:%Y-%m-%d %H:%M}",
                shape_name(manifest),
                comparison_group(manifest),
                *(figure.show(getattr(summary, figure.name)) for figure in _FIGURES),
                *([f"{manifest.serving.model.instances:.4g}"] if several else []),
            )
            for manifest, summary in runs
        ]
        numbers = [*(figure.title for figure in _FIGURES), *([_PREDICTIONS] if several else [])]
        dispensable = [title for title in _DISPENSABLE if several or title != _PREDICTIONS]
        print_table(Table.of("Runs", _TEXT, numbers, table), dispensable=dispensable)
        if repeats:
            print_table(repeats_table(repeats), f"\n{REPEATS}", dispensable=("lowest", "highest"))
    else:
        note(no_finished_run(uri))
    for _, summary in runs:
        for reason in summary.reasons:
            note(f"invalid: {summary.run_id}: {reason}")
    note_skipped(scan)


def validity(summary: RunSummary) -> str:
    if not summary.valid:
        return "INVALID, disturbed" if was_disturbed(summary.reasons) else "INVALID"
    return "valid" if summary.verified else "valid, not verified"


def run_json(manifest: Manifest, summary: RunSummary) -> dict[str, Any]:
    return (
        summary.to_dict()
        | of_requests(manifest, summary)
        | {
            "platform": manifest.platform,
            "shape": manifest.shape.model_dump(),
            "server": manifest.serving.server,
            "server_version": manifest.serving.server_version,
            "computation": manifest.serving.computation.model_dump() if manifest.serving.computation else None,
            "cpu": cpus(manifest),
            "comparison_group": comparison_group(manifest),
            "deployment": manifest.deployment,
            "other_cpu": manifest.other_cpu.model_dump() if manifest.other_cpu else None,
            "started_at": manifest.started_at.isoformat(),
            "repeat": manifest.repeat.model_dump() if manifest.repeat else None,
        }
    )


def _json(scan: Scan, runs: list[tuple[Manifest, RunSummary]], repeats: tuple[Repeats, ...]) -> dict[str, Any]:
    return {
        "runs": [run_json(manifest, summary) for manifest, summary in runs],
        "repeats": [
            {
                "run_ids": [manifest.run_id for manifest in group.manifests],
                "stack": group.manifests[0].stack,
                "figures": {spread.figure: spread.to_dict() for spread in group.spreads},
            }
            for group in repeats
        ],
        **skipped_json(scan),
    }
