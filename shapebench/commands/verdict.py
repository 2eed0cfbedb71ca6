"""`shapebench verdict`: which variant is best for an objective, as a paragraph and a ranking."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.formatting import count, markdown_cell
from analysis.results.store import ResultsStore
from analysis.statistics.figures import Shown
from analysis.statistics.summary import figures
from analysis.verdict.claims import claims
from analysis.verdict.effects import effects
from analysis.verdict.objective import Objective, ObjectiveError, objective
from analysis.verdict.ranking import Meets
from analysis.verdict.text import paragraph
from analysis.verdict.verdict import Verdict, read_verdict
from shapebench.output import CommandError, note, print_json, print_table

# What a script can go by: there is a best, nothing keeps the limits, the data cannot tell.
EXIT_CODES = {Meets.yes: 0, Meets.no: 3, Meets.unsure: 4}
_FIGURES = figures(Shown.RANKING)
_RANKING = ("variant", "meets", "best or tied", "runs", "requests", *(each.title for each in _FIGURES))
_EFFECTS = ("factor", "change", "from", "to", "cost", "goodput", "p99")
_CLAIMS = ("claim of the published experiment", "finding", "why")

Rows = list[tuple[str, ...]]


def parse_objective(p99: str | None, errors: str | None, budget: str | None, file: Path | None) -> Objective:
    """The objective of options and file; raises CommandError where it cannot be understood."""
    try:
        return objective(p99, errors, budget, file)
    except ObjectiveError as error:
        raise CommandError(str(error)) from None


def print_verdict(uri: str, asked: Objective, output: str) -> int:
    """Print the verdict as text, JSON or Markdown, and return the exit code that says the same."""
    verdict = read_verdict(ResultsStore(uri), asked)
    if output == "json":
        print_json(to_dict(verdict))
    else:
        print(f"{paragraph(verdict)}\n")
        table = _markdown if output == "markdown" else _text
        _print_tables(verdict, table)
        for each in verdict.excluded:
            note(f"left out: {each.manifest.run_id} of {each.manifest.stack}: {'; '.join(each.reasons)}")
    return EXIT_CODES[verdict.outcome]


def to_dict(verdict: Verdict) -> dict[str, object]:
    """The verdict as plain values."""
    return {
        "objective": verdict.objective.to_dict(),
        "best": [each.label for each in verdict.best],
        "verdict": paragraph(verdict),
        "ranking": [each.to_dict() for each in verdict.ranking],
        "excluded": [{"run_id": each.manifest.run_id, "reasons": list(each.reasons)} for each in verdict.excluded],
    }


def _print_tables(verdict: Verdict, table: Callable[[Sequence[str], Rows, int], None]) -> None:
    ranking: Rows = [
        (
            each.label,
            each.meets.value,
            "yes" if each.tied_with_best else "",
            str(each.runs),
            count(each.requests),
            *(each.figures[shown.name].text(shown.show) for shown in _FIGURES),
        )
        for each in verdict.ranking
    ]
    if not ranking:
        return
    table(_RANKING, ranking, 3)
    found = effects(verdict.ranking)
    if found:
        table(
            _EFFECTS,
            [
                (
                    each.factor,
                    each.change,
                    each.before.label,
                    each.after.label,
                    *(each.ratio(shown.name).change() for shown in _FIGURES),
                )
                for each in found
            ],
            4,
        )
    table(_CLAIMS, [(each.claim, each.finding.value, each.why) for each in claims(found)], 3)


def _text(columns: Sequence[str], rows: Rows, words: int) -> None:
    print_table(columns, rows, words=words)
    print()


def _markdown(columns: Sequence[str], rows: Rows, words: int) -> None:
    rule = ["---" if at < words else "--:" for at in range(len(columns))]
    for cells in (columns, rule, *rows):
        sys.stdout.write(f"| {' | '.join(markdown_cell(cell) for cell in cells)} |\n")
    sys.stdout.write("\n")
