"""`shapebench runs`: the finished runs of a store, with their figures."""

from typing import Any

from analysis.formatting import run_names, shape_name
from analysis.report.spread import SPREAD_COLUMNS, SPREAD_TITLE, spread_rows
from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore, Scan
from analysis.statistics.figures import Shown
from analysis.statistics.spread import Repeats, read_repeats
from analysis.statistics.summary import RunSummary, figures, summarise
from shapebench.output import note, print_json, print_table

_COLUMNS = ("run", "shape", "verdict", "started, UTC", *(figure.title for figure in figures(Shown.RUNS)))


def print_runs(uri: str, *, as_json: bool) -> None:
    """Print every finished run in the order of time, and name on stderr what was skipped."""
    store = ResultsStore(uri)
    scan = store.scan()
    runs = [(manifest, summarise(store, manifest)) for manifest in scan.manifests]
    repeats = read_repeats(store, scan.manifests)
    if as_json:
        print_json(_json(scan, runs, repeats))
        return
    if runs:
        names = run_names(scan.manifests)
        print_table(_COLUMNS, [_row(names[m.run_id], m, summary) for m, summary in runs], words=4)
        if repeats:
            print_table(SPREAD_COLUMNS, spread_rows(repeats, names), words=2, title=f"\n{SPREAD_TITLE}")
    else:
        note(f"There is no finished run in {uri}; `pulumi up --stack local` makes one.")
    for _, summary in runs:
        for reason in summary.reasons:
            note(f"invalid: {summary.run_id}: {reason}")
    for problem in scan.problems:
        note(f"skipped: {problem.path} {problem.why}")
    for folder in scan.unfinished:
        note(f"unfinished: {folder} has rows and no manifest, so it counts nowhere")


def _row(name: str, manifest: Manifest, summary: RunSummary) -> tuple[str, ...]:
    return (
        name,
        shape_name(manifest),
        "valid" if summary.valid else "INVALID",
        f"{manifest.started_at:%Y-%m-%d %H:%M}",
        *(figure.show(getattr(summary, figure.name)) for figure in figures(Shown.RUNS)),
    )


def _json(scan: Scan, runs: list[tuple[Manifest, RunSummary]], repeats: tuple[Repeats, ...]) -> dict[str, Any]:
    return {
        "runs": [
            summary.to_dict()
            | {
                "platform": manifest.platform,
                "shape": manifest.shape.model_dump(),
                "server": manifest.serving.server,
                "server_version": manifest.serving.server_version,
                "started_at": manifest.started_at.isoformat(),
                "repeat": manifest.repeat.model_dump() if manifest.repeat else None,
            }
            for manifest, summary in runs
        ],
        "repeats": [
            {
                "run_ids": [manifest.run_id for manifest in group.manifests],
                "stack": group.manifests[0].stack,
                "figures": {spread.figure: spread.to_dict() for spread in group.spreads},
            }
            for group in repeats
        ],
        "problems": [{"path": problem.path, "why": problem.why} for problem in scan.problems],
        "unfinished": list(scan.unfinished),
    }
