"""The tables of several runs: figures, how repeats differ, and which runs and files are left out, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from analysis.formatting import number, percent, shape_name
from analysis.report.collect import Findings, Run
from analysis.report.tables import Column, Table
from analysis.statistics.figures import Shown
from analysis.statistics.spread import Repeats
from analysis.statistics.summary import FIGURES, figures

REPEATS = "Variation between repeats"
REPEATS_EXPLAINED = (
    "Both percentages are standard deviations: of the repeats' figures, and of one run's figure by its own interval."
    " Where the first is larger, a single run is less certain than its interval says."
)


def figures_table(runs: Sequence[Run]) -> Table:
    """The figures of runs: those that are declared for the report."""
    shown = figures(Shown.REPORT)
    times = [figure.unit == "ms" for figure in shown]
    columns = (
        Column(figure.title, bold=at == 0, divider=at == 1 or (at > 1 and times[at] != times[at - 1]))
        for at, figure in enumerate(shown)
    )
    return Table(
        "Figures of the ranked runs",
        (Column("run", "text"), Column("shape", "text", under_first=True), *columns),
        tuple(
            (
                run.name,
                shape_name(run.manifest),
                *(
                    figure.show(value)
                    for figure, value in zip(shown, run.summary.figures(Shown.REPORT).values(), strict=True)
                ),
            )
            for run in runs
        ),
        "Figures of the hold phase. Latency is of good answers, cost of the serving side.",
        anchors=tuple(run.manifest.run_id for run in runs),
    )


def repeats_table(groups: Iterable[Repeats], names: Mapping[str, str]) -> Table:
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
                names[group.manifests[0].run_id],
                FIGURES[spread.figure].title,
                str(len(group.manifests)),
                *map(number, (spread.lowest, spread.middle, spread.highest)),
                percent(spread.between),
                percent(spread.within),
            )
            for group in groups
            for spread in group.spreads
        ),
    )


def left_out_table(title: str, runs: Sequence[Run], reasons: Callable[[Run], Sequence[str]]) -> Table:
    """Runs that are not ranked, with their reasons."""
    return Table(
        f"{title}, with reasons",
        (Column("run", "text"), Column("shape", "text", under_first=True), Column("reason", "wrap")),
        tuple((run.name, shape_name(run.manifest), "; ".join(reasons(run))) for run in runs),
        anchors=tuple(run.manifest.run_id for run in runs),
    )


def skipped_table(findings: Findings) -> Table:
    """Files and unfinished runs of the store that no figure counts."""
    unfinished = "is an unfinished run: it has rows and no manifest"
    problems = [(problem.path, problem.why) for problem in findings.problems]
    return Table(
        "Skipped files and unfinished runs",
        (Column("path", "code"), Column("reason", "wrap")),
        (*problems, *((folder, unfinished) for folder in findings.unfinished)),
    )
