"""Cost per million good predictions by line item: a stacked bar for each variant, and the same as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import money, number
from analysis.report.charts.drawing import FIRST, FOURTH, SECOND, THIRD, colours, labelled_bars
from analysis.report.tables import Column, Table
from analysis.verdict.ranking import Ranked

_SHADES = (FIRST, SECOND, THIRD, FOURTH)
_OTHER = "other"


@dataclass(frozen=True)
class Parts:
    """A variant's cost per million good predictions: of each item in the order of `Breakdown.names`, and in total."""

    label: str
    parts: tuple[float, ...]
    total: float
    usd_hourly: float


@dataclass(frozen=True)
class Breakdown:
    """All variants in the order of the ranking."""

    names: tuple[str, ...]
    rows: tuple[Parts, ...]
    drawing: Markup

    def table(self, currency: str) -> Table:
        items = (*map(Column, self.names), Column("total", bold=True), Column(f"{currency}/h"))
        return Table(
            "Cost of each variant by line item",
            (Column("variant", "text"), *items),
            tuple((row.label, *map(money, row.parts), money(row.total), number(row.usd_hourly)) for row in self.rows),
            f"{currency} per million good predictions, by line item, at the prices of the variant's newest run.",
        )


def break_down(ranking: Sequence[Ranked]) -> Breakdown:
    """Divide the cost of each variant at the prices of its newest run, by which it is ranked."""
    costs = [each.variant.newest.cost.line_items for each in ranking]
    hourly = [{item.short_name: item.hourly for item in cost if item.hourly is not None} for cost in costs]
    items = tuple(dict.fromkeys(item for parts in hourly for item in parts))
    rows = []
    for each, parts in zip(ranking, hourly, strict=True):
        total = each.usd_per_million.value
        shares = (parts.get(item, 0.0) / each.usd_hourly for item in items)
        rows.append(Parts(each.label, tuple(total * share for share in shares), total, each.usd_hourly))
    return Breakdown(items, tuple(rows), _draw(items, rows))


def _draw(items: Sequence[str], rows: Sequence[Parts]) -> Markup:
    # The last items, which are the smallest, share a name in the legend where colours run out.
    alone = items if len(items) <= len(_SHADES) else items[: len(_SHADES) - 1]
    drawn_as = {item: item if item in alone else _OTHER for item in items}
    names = list(dict.fromkeys(drawn_as.values()))
    parts = pd.DataFrame(
        [
            {"variant": row.label, "item": drawn_as[item], "value": usd, "at": names.index(drawn_as[item])}
            for row in rows
            for item, usd in zip(items, row.parts, strict=True)
        ]
    )
    totals = pd.DataFrame([{"variant": row.label, "value": row.total, "label": money(row.total)} for row in rows])
    return labelled_bars(
        totals,
        "variant",
        "USD per million good predictions",
        f"Cost per million good predictions of each variant by line item ({', '.join(items)}), in the order of the "
        "ranking; the numbers are in the table.",
        parts=alt.Chart(parts).encode(
            color=colours("item", names, list(_SHADES[: len(names)]), "square"), order="at:Q"
        ),
    )
