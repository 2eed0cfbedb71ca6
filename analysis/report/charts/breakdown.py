"""Cost per million good predictions by line item: a stacked bar for each variant, and the same as a table."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.formatting import money, number
from analysis.report.charts.drawing import FIRST, FOURTH, SECOND, THIRD, Chart, colours, labelled_bars
from analysis.report.tables import Column, Table
from analysis.verdict.ranking import Ranked

_SHADES = (FIRST, SECOND, THIRD, FOURTH)


def cost_by_item(ranking: Sequence[Ranked]) -> pd.DataFrame:
    """USD per million predictions at capacity: a row for each variant in their order, a column for each item.

    At the prices of the variant's newest run, by which it is ranked; 0 where a variant does not have the item.
    """
    costs = [
        {
            item.short_name: _usd(each) * item.hourly / each.usd_hourly
            for item in each.variant.newest.cost.line_items
            if item.hourly is not None
        }
        for each in ranking
    ]
    return pd.DataFrame(costs, index=[each.label for each in ranking]).fillna(0.0)


def cost_table(ranking: Sequence[Ranked]) -> Table:
    costs, currency = cost_by_item(ranking), ranking[0].variant.newest.cost.currency
    return Table(
        "Cost of each variant by line item",
        (Column("variant", "text"), *map(Column, costs.columns), Column("total", bold=True), Column(f"{currency}/h")),
        tuple(
            (each.label, *map(money, parts), money(_usd(each)), number(each.usd_hourly))
            for each, parts in zip(ranking, costs.to_numpy(), strict=True)
        ),
        f"{currency} per million predictions at capacity, by line item, at the prices of the variant's newest run.",
    )


def cost_chart(ranking: Sequence[Ranked]) -> Chart:
    costs = cost_by_item(ranking)
    items = [str(item) for item in costs.columns]
    # The last items, which are the smallest, share a name in the legend where colours run out.
    names = items if len(items) <= len(_SHADES) else [*items[: len(_SHADES) - 1], "other"]
    parts = (
        costs.set_axis(range(len(items)), axis=1).rename_axis("variant").reset_index().melt("variant", var_name="at")
    )
    parts["at"] = parts["at"].astype(int).clip(upper=len(names) - 1)
    parts["item"] = [names[at] for at in parts["at"]]
    totals = [_usd(each) for each in ranking]
    drawing = labelled_bars(
        pd.DataFrame({"variant": costs.index, "value": totals, "label": map(money, totals)}),
        "variant",
        "USD per million predictions",
        f"Cost per million predictions of each variant by line item ({', '.join(items)}), in the order of the "
        "ranking; the numbers are in the table.",
        parts=alt.Chart(parts).encode(
            color=colours("item", names, list(_SHADES[: len(names)]), "square"), order="at:Q"
        ),
    )
    return Chart("Cost by line item", "Per million predictions at capacity.", drawing, "ranking-cost-by-item")


def _usd(each: Ranked) -> float:
    """USD per million predictions of a variant whose capacity has a value."""
    value = each.usd_per_million.value
    assert value is not None
    return value
