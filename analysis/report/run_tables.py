"""The tables of several runs: figures, how repeats differ, and which runs and files are left out, and why."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple

from analysis.formatting import number, percent, run_name, shape_name
from analysis.objective import Objective
from analysis.report.collect import Findings, Run
from analysis.report.tables import Column, Table
from analysis.statistics.figures import Shown
from analysis.statistics.spread import Repeats
from analysis.statistics.summary import FIGURES, figures
from analysis.verdict.verdict import Verdict

REPEATS = "Variation between repeats"
REPEATS_EXPLAINED = (
    "Both percentages are standard deviations: of the repeats' figures, and of one run's figure by its own interval."
    " Where the first is larger, a single run is less certain than its interval says."
)


def figures_table(runs: Sequence[Run]) -> Table:
    shown = figures(Shown.REPORT)
    times = [figure.unit == "ms" for figure in shown]
    columns = (
        Column(figure.title, bold=at == 0, divider=at == 1 or (at > 1 and times[at] != times[at - 1]))
        for at, figure in enumerate(shown)
    )
    return Table(
        "Figures of the valid runs",
        (Column("run", "text"), Column("shape", "text", under_first=True), *columns),
        tuple(
            (
                run.name,
                shape_name(run.manifest),
                *(figure.show(getattr(run.summary, figure.name)) for figure in shown),
            )
            for run in runs
        ),
        "Figures of the counted phase. Latency is of good answers, cost of the serving side.",
        anchors=tuple(run.manifest.run_id for run in runs),
    )


def evidence_table(findings: Findings) -> Table:
    """What each ranked run says of the capacity of its deployment."""
    objective = findings.verdict.objective
    limits = ("quantile", "latency_ms", "errors")
    own = all(
        getattr(Objective.of_search(run.manifest.capacity), name) == getattr(objective, name)
        for run in findings.ranked
        if run.manifest.capacity
        for name in limits
    )
    said = {each.run_id: each for ranked in findings.verdict.ranking for each in ranked.capacity.evidence}
    return Table(
        "What each ranked run says of the capacity",
        (
            *(Column(title, "text") for title in ("run", "evidence", "deployment")),
            Column("capacity, 1/s" if own else "capacity at the objective of this report, 1/s"),
            Column("from"),
            Column("to"),
        ),
        tuple(
            (
                run.name,
                evidence.basis.value,
                run.manifest.deployment or "not recorded",
                number(evidence.rps.value),
                number(evidence.rps.low or None),
                number(evidence.rps.high if math.isfinite(evidence.rps.high) else None),
            )
            for run in findings.ranked
            for evidence in (said[run.manifest.run_id],)
        ),
        f"Requests per second of the whole deployment with {objective.text}: the 95 % interval of this run alone, or"
        " one bound.",
        anchors=tuple(run.manifest.run_id for run in findings.ranked),
    )


def repeats_table(groups: Iterable[Repeats]) -> Table:
    """A row for each figure of each group of repeats, which goes by the name of its first run."""
    return Table(
        "Figures of the repeats",
        (
            Column("repeats", "text"),
            Column("figure", "text", under_first=True),
            *map(Column, ("runs", "lowest", "median", "highest", "between runs, %", "within a run, %")),
        ),
        tuple(
            (
                run_name(group.manifests[0]),
                FIGURES[spread.figure].title,
                str(len(group.manifests)),
                *map(number, (spread.lowest, spread.median, spread.highest)),
                percent(spread.from_run_to_run),
                percent(spread.within_a_run),
            )
            for group in groups
            for spread in group.spreads
        ),
    )


def left_out_table(title: str, runs: Sequence[Run], verdict: Verdict) -> Table:
    reasons = {manifest.run_id: "; ".join(why) for manifest, why in verdict.excluded}
    return Table(
        f"{title}, with reasons",
        (Column("run", "text"), Column("shape", "text", under_first=True), Column("reason", "wrap")),
        tuple((run.name, shape_name(run.manifest), reasons[run.manifest.run_id]) for run in runs),
        anchors=tuple(run.manifest.run_id for run in runs),
    )


def skipped_table(findings: Findings) -> Table:
    return Table(
        "Skipped files and unfinished runs",
        (Column("path", "code"), Column("reason", "wrap")),
        tuple(map(astuple, findings.skipped)),
    )
