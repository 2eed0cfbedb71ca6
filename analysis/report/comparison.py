"""The tables that compare variants: the ranking with intervals, the effects of single factors, and the claims."""

import math
from collections.abc import Sequence

from analysis.formatting import MISSING, money, number, percent, shape_name
from analysis.report.tables import Column, Table
from analysis.statistics.summary import FIGURES
from analysis.verdict.capacity import Meets
from analysis.verdict.claims import Claim
from analysis.verdict.effects import Effect
from analysis.verdict.ranking import Ranked

MEETS = {Meets.yes: "meets", Meets.unsure: "unsure", Meets.no: "misses"}


# What the column `objective` of the ranking says, in the order of the ranking; the first two are winners.
BEST, MAY_BE_BEST = "best", "may be best"
PLACES = (BEST, MAY_BE_BEST, *MEETS.values())
WINNERS = (BEST, MAY_BE_BEST)


def places(ranking: Sequence[Ranked]) -> tuple[str, ...]:
    """Of each variant, one of PLACES. One that alone certainly meets the objective is the best of nothing."""
    if _is_alone(ranking):
        return tuple(MEETS[each.meets] for each in ranking)
    return tuple(map(_place, ranking))


def ranking_table(ranking: Sequence[Ranked]) -> Table:
    """Every ranked variant with its capacity, its cost, and what choosing it costs at most more than the best."""
    is_alone, found = _is_alone(ranking), places(ranking)
    # Only where it says something: most requests are one prediction.
    several = any(each.price.instances != 1 for each in ranking)
    return Table(
        "Ranking of variants",
        (
            Column("variant", "text"),
            Column("objective", "text", bold=True),
            Column("shape", "text", under_first=True),
            Column("USD/million"),
            *([Column("USD/million requests")] if several else []),
            Column("at most more, %"),
            Column("capacity, 1/s"),
            Column("USD/h"),
            Column("deployments"),
            Column("runs"),
        ),
        tuple(
            (
                each.label,
                place,
                shape_name(each.variant.newest),
                each.usd_per_million.text(money),
                *([each.usd_per_million_requests.text(money)] if several else []),
                MISSING if is_alone else _at_most_more(each),
                each.capacity.rps.text(number),
                number(each.usd_hourly),
                str(each.capacity.deployments),
                str(each.runs),
            )
            for each, place in zip(ranking, found, strict=True)
        ),
        "In brackets: the 95 % interval over deployments. At most more: what choosing the variant costs at most above"
        " the best of the others, all statements together at 95 %.",
        marked=frozenset(at for at, place in enumerate(found) if place in WINNERS),
    )


def cpus_table(ranking: Sequence[Ranked]) -> Table | None:
    """The cost of each variant on each CPU model that its nodes may get by chance; None where none may."""
    rows = tuple(
        (
            each.label,
            on.cpu,
            on.share.text(percent),
            str(on.nodes),
            each.usd_per_million_on(on).text(money) if on.is_seen else MISSING,
            on.rps.text(number) if on.is_seen else MISSING,
        )
        for each in ranking
        for on in each.capacity.cpus
    )
    return (
        Table(
            "Cost on each CPU model",
            (
                Column("variant", "text"),
                Column("CPU model", "wrap"),
                Column("share of nodes, %"),
                Column("nodes seen"),
                Column("USD/million"),
                Column("capacity, 1/s"),
            ),
            rows,
            "Nodes get one of these CPU models by chance. The ranking is by the cost that is expected over them.",
        )
        if rows
        else None
    )


def _is_alone(ranking: Sequence[Ranked]) -> bool:
    return sum(each.standing is not None for each in ranking) == 1


def _place(each: Ranked) -> str:
    if each.standing and each.standing.is_certainly_best:
        return BEST
    return MAY_BE_BEST if each.standing and each.standing.may_be_best else MEETS[each.meets]


def _at_most_more(each: Ranked) -> str:
    more = each.standing.at_most_more if each.standing else math.inf
    return f"{more * 100:.1f}" if math.isfinite(more) else MISSING


def claims_table(claims: Sequence[Claim], label: str = "Claims of the published experiment") -> Table:
    columns = (Column("claim", "wrap"), Column("finding", "text", bold=True), Column("reason", "wrap"))
    rows = tuple((claim.claim, claim.finding.value, claim.why) for claim in claims)
    return Table(label, columns, rows)


def effects_table(effects: Sequence[Effect], label: str = "Effect of each factor, by pair of variants") -> Table:
    shown = tuple(dict.fromkeys(figure for effect in effects for figure in effect.figures))
    return Table(
        label,
        (
            Column("change", "text"),
            Column("factor", "text", under_first=True),
            Column("from", "text"),
            Column("to", "text"),
            *(Column(FIGURES[figure].short) for figure in shown),
        ),
        tuple(
            (
                effect.change,
                effect.factor,
                effect.before.variant.label,
                effect.after.variant.label,
                *(_change(effect, figure) for figure in shown),
            )
            for effect in effects
        ),
        "The second variant against the first, in percent. In brackets: the 95 % interval of this pair alone.",
    )


def _change(effect: Effect, figure: str) -> str:
    return effect.ratio(figure).text(lambda ratio: f"{(ratio - 1) * 100:+.1f}") + " %"
