"""`shapebench export`: what the report shows as files for other programs."""

from pathlib import Path

from analysis.report.collect import collect
from analysis.report.export import write_export
from analysis.results.store import ResultsStore
from analysis.verdict.objective import Objective
from shapebench.output import CommandError, note


def export_runs(uri: str, folder: Path, asked: Objective, *, rows: bool, seed: bool) -> None:
    """Write the folder and print its files; raises CommandError if there is no finished run."""
    store = ResultsStore(uri)
    findings = collect(store, asked)
    for problem in findings.problems:
        note(f"skipped: {problem.path} {problem.why}")
    if not findings.runs:
        raise CommandError(f"there is no finished run in {uri} to export; `pulumi up --stack local` makes one")
    for path in write_export(findings, folder, store if rows else None, seed=seed):
        print(path)
