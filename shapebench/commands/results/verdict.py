"""`shapebench verdict`: what a million predictions cost on each variant at an objective, and what to run next."""

import sys
from collections.abc import Iterable

from analysis.objective import Asked
from analysis.pricing import ON_DEMAND, Usage
from analysis.report.comparison import claims_table, cpus_table, effects_table, ranking_table
from analysis.report.tables import Table
from analysis.results.storage.store import ResultsStore
from analysis.verdict.capacity import Meets
from analysis.verdict.claims import claims
from analysis.verdict.effects import effects
from analysis.verdict.next_steps import NextStep
from analysis.verdict.text import NO_VERDICT, paragraph
from analysis.verdict.verdict import Verdict, read_verdict
from shapebench.output import (
    REHEARSAL_EXIT_CODE,
    note,
    print_json,
    print_table,
    print_text,
)
from shapebench.skipped import excluded_json, no_finished_run, note_excluded, note_skipped, skipped_json

# For scripts: a variant certainly meets the objective, none does, the runs do not show it.
EXIT_CODES = {Meets.yes: 0, Meets.no: 3, Meets.unsure: 4}


def print_verdict(uri: str, requested: Asked, output: str, usage: Usage = ON_DEMAND) -> int:
    verdict = read_verdict(ResultsStore(uri), requested, usage)
    if output == "json":
        print_json(to_dict(verdict))
    else:
        print_text(f"{_text(verdict)}\n")
        print_steps(verdict.next)
        for table in _tables(verdict):
            if output == "markdown":
                sys.stdout.write(f"{table.markdown()}\n")
            else:
                print_table(table)
                print()
        note_excluded(verdict.excluded, "not ranked")
        if not verdict.scan.manifests:
            note(no_finished_run(uri))
        note_skipped(verdict.scan)
    return REHEARSAL_EXIT_CODE if verdict.is_rehearsal else EXIT_CODES[verdict.outcome]


def print_steps(steps: Iterable[NextStep]) -> None:
    """Print what to run next: why, and the commands as they are typed."""
    for step in steps:
        print_text(f"Next: {step.why}")
        sys.stdout.write("".join(f"    {command}\n" for command in step.commands) + "\n")


def to_dict(verdict: Verdict) -> dict[str, object]:
    """The output as JSON; docs/verdict.schema.json describes it."""
    return {
        "objective": verdict.objective.model_dump() | {"goal": verdict.objective.goal},
        "best": [ranked.label for ranked in verdict.best],
        "verdict": _text(verdict),
        "rehearsal": verdict.is_rehearsal,
        "conditions": verdict.conditions,
        "prices": verdict.usage,
        "ranking": [ranked.to_dict() for ranked in verdict.ranking],
        "price_notes": list(verdict.price_notes),
        "left_out_for_cpu": [left_out.to_dict() for left_out in verdict.left_out],
        "excluded": excluded_json(verdict.excluded),
        "next": [{"why": step.why, "commands": list(step.commands)} for step in verdict.next],
        **skipped_json(verdict.scan),
    }


def _text(verdict: Verdict) -> str:
    return f"{NO_VERDICT}. {paragraph(verdict)}" if verdict.is_rehearsal else paragraph(verdict)


def _tables(verdict: Verdict) -> list[Table]:
    """The ranking, costs on CPU models, the effects of factors and the claims; nothing where nothing is ranked."""
    if not verdict.ranking:
        return []
    found = effects(verdict.ranking)
    by_cpu = cpus_table(verdict.ranking)
    return [
        ranking_table(verdict.ranking),
        *([by_cpu] if by_cpu else []),
        *([effects_table(found)] if found else []),
        claims_table(claims(found)),
    ]
