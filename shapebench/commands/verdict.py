"""`shapebench verdict`: which variant is best for an objective, as a paragraph and tables."""

from pathlib import Path

from analysis.formatting import count
from analysis.objective import Objective, ObjectiveError
from analysis.objective import objective as objective_of
from analysis.report.comparison import claims_table, effects_table
from analysis.report.tables import Table
from analysis.results.store import ResultsStore
from analysis.statistics.figures import Shown
from analysis.statistics.summary import figures
from analysis.verdict.claims import claims
from analysis.verdict.effects import effects
from analysis.verdict.ranking import Meets
from analysis.verdict.text import NO_VERDICT, paragraph
from analysis.verdict.verdict import Verdict, read_verdict
from shapebench.output import (
    REHEARSAL_EXIT_CODE,
    CommandError,
    note,
    print_json,
    print_markdown,
    print_table,
    print_text,
)
from shapebench.skipped import note_skipped, skipped_json

# For scripts: there is a best variant, none meets the objective, the data cannot tell.
EXIT_CODES = {Meets.yes: 0, Meets.no: 3, Meets.unsure: 4}
_FIGURES = figures(Shown.RANKING)


def parse_objective(p99: str | None, errors: str | None, budget: str | None, file: Path | None) -> Objective:
    """The objective from options and file; raises CommandError where it cannot be read."""
    try:
        return objective_of(p99, errors, budget, file)
    except ObjectiveError as error:
        raise CommandError(str(error)) from None


def print_verdict(uri: str, objective: Objective, output: str) -> int:
    verdict = read_verdict(ResultsStore(uri), objective)
    if output == "json":
        print_json(to_dict(verdict))
    else:
        print_text(f"{_text(verdict)}\n")
        for table in _tables(verdict):
            if output == "markdown":
                print_markdown(table)
            else:
                print_table(table)
                print()
        for manifest, reasons in verdict.excluded:
            note(f"left out: {manifest.run_id} of {manifest.stack}: {'; '.join(reasons)}")
        note_skipped(verdict.scan)
    return REHEARSAL_EXIT_CODE if verdict.is_rehearsal else EXIT_CODES[verdict.outcome]


def _text(verdict: Verdict) -> str:
    return f"{NO_VERDICT}. {paragraph(verdict)}" if verdict.is_rehearsal else paragraph(verdict)


def to_dict(verdict: Verdict) -> dict[str, object]:
    return {
        "objective": verdict.objective.model_dump() | {"goal": verdict.objective.goal},
        "best": [each.label for each in verdict.best],
        "verdict": _text(verdict),
        "rehearsal": verdict.is_rehearsal,
        "conditions": verdict.conditions,
        "ranking": [each.to_dict() for each in verdict.ranking],
        "excluded": [{"run_id": run.run_id, "reasons": list(reasons)} for run, reasons in verdict.excluded],
        **skipped_json(verdict.scan),
    }


def _tables(verdict: Verdict) -> list[Table]:
    """The ranking, the effects of factors and the claims; nothing where nothing is ranked."""
    if not verdict.ranking:
        return []
    ranking = Table.of(
        "Ranking of variants",
        ("variant", "meets", "best or tied"),
        ("runs", "requests", *(figure.title for figure in _FIGURES)),
        (
            (
                each.label,
                each.meets.value,
                "yes" if each.tied_with_best else "",
                str(each.runs),
                count(each.requests),
                *(each.figures[figure.name].text(figure.show) for figure in _FIGURES),
            )
            for each in verdict.ranking
        ),
    )
    found = effects(verdict.ranking)
    return [ranking, *([effects_table(found)] if found else []), claims_table(claims(found))]
