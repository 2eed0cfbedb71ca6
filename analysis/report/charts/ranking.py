"""The charts of the ranking: cost per million predictions and capacity of each variant, with their intervals."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import money, number
from analysis.report.charts.drawing import (
    FIRST,
    INK,
    MUTED,
    SECOND,
    Chart,
    colours,
    name_axis,
    rows_height_px,
    svg,
)
from analysis.report.comparison import MEETS
from analysis.statistics.estimate import Bounds, Estimate
from analysis.verdict.ranking import Ranked

# An interval without an upper bound is drawn as far as the others reach, and open at its end.
_OPEN_END = "▸"


def ranking_charts(ranking: Sequence[Ranked]) -> tuple[Chart, ...]:
    is_open = any(not math.isfinite(each.usd_per_million.high) for each in ranking)
    return (
        Chart(
            "Cost per million predictions",
            "At capacity, with 95 % intervals, in the order of the ranking. Further left is better."
            + (f" {_OPEN_END}: the data sets no upper bound." if is_open else ""),
            _intervals(ranking, [each.usd_per_million for each in ranking], "USD per million predictions"),
            "ranking-cost",
        ),
        Chart(
            "Capacity",
            "Requests per second of the whole deployment, in the same order. Further right is better.",
            _intervals(ranking, [each.capacity.rps for each in ranking], "capacity, requests/s"),
            "ranking-capacity",
        ),
    )


def _intervals(ranking: Sequence[Ranked], figures: Sequence[Estimate | Bounds], title: str) -> Markup:
    """A point for each variant and a bar for its interval, in the colour of whether it meets the objective."""
    show = money if "USD" in title else number
    reach = max(bound for each in figures for bound in (each.low, each.value or 0, each.high) if math.isfinite(bound))
    frame = pd.DataFrame(
        [
            {
                "variant": each.label,
                "value": figure.value,
                "low": figure.low,
                "high": min(figure.high, reach),
                "meets": MEETS[each.meets],
                "label": (figure.text(show) if figure.value is None else show(figure.value))
                + ("" if math.isfinite(figure.high) else f" {_OPEN_END}"),
            }
            for each, figure in zip(ranking, figures, strict=True)
        ]
    )
    used = [name for name in MEETS.values() if name in set(frame["meets"])]
    shades = dict(zip(MEETS.values(), (FIRST, SECOND, MUTED), strict=True))
    # Room at the right for the longest label, which stands outside its bar.
    axis = alt.Axis(tickCount=4)
    x = alt.X("low:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, reach * 1.18 or 1.0], nice=False))
    base = alt.Chart(frame).encode(y=alt.Y("variant:N", sort=None, title=None, axis=name_axis()))
    colour = colours("meets", used, [shades[name] for name in used], symbol="circle")
    layers = [
        base.mark_bar(height=7, opacity=0.4).encode(x=x, x2="high:Q", color=colour),
        base.mark_point(filled=True, size=50, opacity=1).encode(x="value:Q", color=colour),
        base.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(x="high:Q", text="label:N"),
    ]
    description = (
        f"Each variant's {title} with its 95 % interval, in the order of the ranking; the numbers are in the table."
    )
    return svg(layers, description, height_px=rows_height_px(len(ranking)) + 24)
