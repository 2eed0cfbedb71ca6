"""`shapebench report` and `shapebench export`: write what a results store holds, as a report or as data files."""

from pathlib import Path

from analysis.objective import Asked
from analysis.report.collect import Findings, collect
from analysis.report.export import write_export
from analysis.report.folders import check_folder, check_new_folder
from analysis.report.headline import headline
from analysis.report.render import write_report
from analysis.results.storage.store import ResultsStore
from shapebench.commands.results.verdict import print_steps
from shapebench.output import CommandError, note, print_text
from shapebench.skipped import no_finished_run, note_skipped


def report_runs(uri: str, folder: Path, requested: Asked, *, seed: bool = False) -> None:
    """Write the report and print its headline and paths; raises CommandError if there is no finished run."""
    check_folder(folder)
    findings = _findings(ResultsStore(uri), requested)
    html, markdown = write_report(findings, folder, seed=seed)
    top = headline(findings)
    print_text(f"{top.claim}\n{top.detail}\n")
    print_steps(top.next)
    print_text(f"{html}\n{markdown}")


def export_runs(uri: str, folder: Path, requested: Asked, *, rows: bool, seed: bool) -> None:
    check_new_folder(folder)
    store = ResultsStore(uri)
    findings = _findings(store, requested)
    for run in findings.runs if rows else ():
        if run.series is None:
            note(f"skipped: the rows of run {run.manifest.run_id}: {'; '.join(run.summary.reasons)}")
    for path in write_export(findings, folder, store if rows else None, seed=seed):
        print(path)


def _findings(store: ResultsStore, requested: Asked) -> Findings:
    findings = collect(store, requested)
    note_skipped(findings)
    if not findings.runs:
        raise CommandError(no_finished_run(store.uri))
    return findings
