"""The tables that compare variants: the ranking with intervals, the effects of single factors, and the claims."""

from collections.abc import Mapping, Sequence

from analysis.formatting import count, shape_name
from analysis.report.tables import Column, Table
from analysis.statistics.figures import Shown
from analysis.statistics.summary import figures
from analysis.verdict.claims import Claim
from analysis.verdict.effects import Effect
from analysis.verdict.front import Front
from analysis.verdict.ranking import Meets, Ranked

MEETS = {Meets.yes: "meets", Meets.unsure: "unsure", Meets.no: "misses"}


def ranking_table(ranking: Sequence[Ranked], front: Mapping[str, Front]) -> Table:
    """Every ranked variant with its figures; `front` is empty where there is nothing to compare."""
    shown = figures(Shown.RANKING)
    return Table(
        "Ranking of variants",
        (
            Column("variant", "text"),
            Column("objective", "text", bold=True),
            Column("shape", "text", under_first=True),
            *(Column(figure.title) for figure in shown),
            *([Column("front", "text")] if front else []),
            Column("runs"),
            Column("requests"),
        ),
        tuple(
            (
                each.label,
                "best" if each.tied_with_best else MEETS[each.meets],
                shape_name(each.variant.newest),
                *(each.figures[figure.name].text(figure.show) for figure in shown),
                *([front[each.label].value] if front else []),
                str(each.runs),
                count(each.requests),
            )
            for each in ranking
        ),
        "In brackets: the 95 % interval." + (" Front: no other variant is both cheaper and faster." if front else ""),
    )


def claims_table(claims: Sequence[Claim], label: str = "Claims of the published experiment") -> Table:
    columns = (Column("claim", "wrap"), Column("finding", "text", bold=True), Column("reason", "wrap"))
    rows = tuple((each.claim, each.finding.value, each.why) for each in claims)
    return Table(label, columns, rows)


def effects_table(effects: Sequence[Effect]) -> Table:
    shown = figures(Shown.RANKING)
    return Table(
        "Effect of each factor, by pair of variants",
        (
            Column("change", "text"),
            Column("factor", "text", under_first=True),
            Column("from", "text"),
            Column("to", "text"),
            *(Column(figure.short) for figure in shown),
        ),
        tuple(
            (
                each.change,
                each.factor,
                each.before.label,
                each.after.label,
                *(each.ratio(figure.name).text(lambda ratio: f"{(ratio - 1) * 100:+.1f}") + " %" for figure in shown),
            )
            for each in effects
        ),
        "The second variant against the first, in percent. In brackets: the 95 % interval of this pair alone.",
    )
