"""`shapebench report`: writes the report about a store and says where it is."""

from pathlib import Path

from analysis.report.collect import collect
from analysis.report.headline import headline
from analysis.report.render import write_report
from analysis.results.store import ResultsStore
from analysis.verdict.objective import Objective
from shapebench.output import CommandError, note


def report_runs(uri: str, folder: Path, asked: Objective, *, seed: bool = False) -> None:
    """Write the report and print its headline and paths; raises CommandError if there is no finished run."""
    findings = collect(ResultsStore(uri), asked)
    for problem in findings.problems:
        note(f"skipped: {problem.path} {problem.why}")
    if not findings.runs:
        raise CommandError(f"there is no finished run in {uri} to report; `pulumi up --stack local` makes one")
    html, markdown = write_report(findings, folder, seed=seed)
    words = headline(findings)
    print(f"{words.claim}\n{words.detail}\n\n{html}\n{markdown}")
