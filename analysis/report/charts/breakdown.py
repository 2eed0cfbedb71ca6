"""What a million good predictions of each variant is made of: one stacked bar a variant, a part for each line item."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import money
from analysis.report.charts.drawing import FIRST, FOURTH, INK, SECOND, THIRD, colours, name_axis, rows_height_px, svg
from analysis.verdict.ranking import Ranked

_SHADES = (FIRST, SECOND, THIRD, FOURTH)
_OTHER = "other"


@dataclass(frozen=True)
class Made:
    """A variant's cost per million good predictions: of each item in the order of `Breakdown.names`, and in all."""

    label: str
    parts: tuple[float, ...]
    total: float
    usd_hourly: float


@dataclass(frozen=True)
class Breakdown:
    """All variants in the order of the ranking."""

    names: tuple[str, ...]
    rows: tuple[Made, ...]
    drawing: Markup


def break_down(ranking: Sequence[Ranked]) -> Breakdown:
    """Of each variant the prices of its newest run, which are those that it is ranked by."""
    hourly = [_hourly(each) for each in ranking]
    items = tuple(dict.fromkeys(item for parts in hourly for item in parts))
    rows = []
    for each, parts in zip(ranking, hourly, strict=True):
        total = each.usd_per_million.value
        shares = (parts.get(item, 0.0) / each.usd_hourly for item in items)
        rows.append(Made(each.label, tuple(total * share for share in shares), total, each.usd_hourly))
    return Breakdown(items, tuple(rows), _draw(items, rows))


def _hourly(each: Ranked) -> dict[str, float]:
    items = each.variant.newest.cost.line_items
    return {item.short_name: item.hourly for item in items if item.hourly is not None}


def _drawn_as(items: Sequence[str]) -> dict[str, str]:
    """As many as there are colours; of more the last ones together, which are the smallest of a cluster."""
    alone = items if len(items) <= len(_SHADES) else items[: len(_SHADES) - 1]
    return {item: item if item in alone else _OTHER for item in items}


def _draw(items: Sequence[str], rows: Sequence[Made]) -> Markup:
    drawn_as = _drawn_as(items)
    names = list(dict.fromkeys(drawn_as.values()))
    parts = pd.DataFrame(
        [
            {"variant": row.label, "item": drawn_as[item], "usd": usd, "at": names.index(drawn_as[item])}
            for row in rows
            for item, usd in zip(items, row.parts, strict=True)
        ]
    )
    totals = pd.DataFrame([{"variant": row.label, "usd": row.total, "label": money(row.total)} for row in rows])
    # Room at the right for the longest label, which stands outside its bar.
    scale = alt.Scale(domain=[0, float(totals["usd"].max()) * 1.18], nice=False)
    x = alt.X("usd:Q", title="USD per million good predictions", axis=alt.Axis(tickCount=4), scale=scale)
    y = alt.Y("variant:N", sort=None, title=None, axis=name_axis())
    bars = (
        alt.Chart(parts)
        .mark_bar(height=alt.RelativeBandSize(0.62))
        .encode(x=x, y=y, color=colours("item", names, list(_SHADES[: len(names)]), "square"), order="at:Q")
    )
    labels = alt.Chart(totals).mark_text(align="left", dx=5, color=INK, fontSize=12)
    return svg(
        alt.layer(bars, labels.encode(x=x, y=y, text=alt.Text("label:N"))),
        f"Cost per million good predictions of each variant by line item ({', '.join(items)}), in the order of the "
        "ranking; the numbers are in the table.",
        height_px=rows_height_px(len(rows)) + 24,
    )
