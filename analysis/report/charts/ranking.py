"""The charts of the ranking: cost per million predictions and capacity of each variant, with their intervals."""

import math
from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import money, number
from analysis.interval import Interval
from analysis.report.charts.drawing import (
    FIRST,
    FOURTH,
    INK,
    MUTED,
    SECOND,
    THIRD,
    Chart,
    colours,
    legend_px,
    name_axis,
    rows_height_px,
    svg,
)
from analysis.report.comparison import PLACES, WINNERS, places
from analysis.verdict.ranking import Ranked

# An interval without an upper bound is drawn as far as the others reach, and open at its end.
_OPEN_END = "▸"
# By place.
_SHADES = (FOURTH, FIRST, THIRD, SECOND, MUTED)


def ranking_charts(ranking: Sequence[Ranked]) -> tuple[Chart, ...]:
    is_open = any(not math.isfinite(each.usd_per_million.high) for each in ranking)
    return (
        Chart(
            "Cost per million predictions",
            "At capacity, with 95 % intervals, in the order of the ranking. Further left is better. Bold: may be the"
            " best." + (f" {_OPEN_END}: the data sets no upper bound." if is_open else ""),
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


def _intervals(ranking: Sequence[Ranked], figures: Sequence[Interval[float | None]], title: str) -> Markup:
    """A point for each variant and a bar for its interval, in the colour of its place; winners have bold figures."""
    show = money if "USD" in title else number
    reach = max(
        bound for figure in figures for bound in (figure.low, figure.value or 0, figure.high) if math.isfinite(bound)
    )
    frame = pd.DataFrame(
        [
            {
                "variant": each.label,
                "value": figure.value,
                "low": figure.low,
                "high": min(figure.high, reach),
                "place": place,
                "label": (figure.text(show) if figure.value is None else show(figure.value))
                + ("" if math.isfinite(figure.high) else f" {_OPEN_END}"),
            }
            for each, figure, place in zip(ranking, figures, places(ranking), strict=True)
        ]
    )
    shades = dict(zip(PLACES, _SHADES, strict=True))
    used = [name for name in PLACES if name in set(frame["place"])]
    # Room at the right for the longest label, which stands outside its bar.
    axis = alt.Axis(tickCount=4)
    room = 1.06 + 0.02 * frame["label"].map(len).max()
    x = alt.X("low:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, reach * room or 1.0], nice=False))
    y = alt.Y("variant:N", sort=None, title=None, axis=name_axis())
    colour = colours("place", used, [shades[name] for name in used], symbol="circle")
    base = alt.Chart(frame).encode(y=y)
    is_winner = frame["place"].isin(WINNERS)
    weights: tuple[Literal["bold", "normal"], ...] = ("bold", "normal")
    labels = [
        alt.Chart(part)
        .mark_text(align="left", dx=7, color=INK, fontSize=12, fontWeight=weight)
        .encode(x="high:Q", y=y, text="label:N")
        for part, weight in zip((frame[is_winner], frame[~is_winner]), weights, strict=True)
        if len(part)
    ]
    # Thin and without transparency, so that its contrast with the page is that of its colour.
    layers = [
        base.mark_bar(height=3).encode(x=x, x2="high:Q", color=colour),
        base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q", color=colour),
        *labels,
    ]
    description = (
        f"Each variant's {title} with its 95 % interval, in the order of the ranking; the numbers are in the table."
    )
    return svg(layers, description, height_px=rows_height_px(len(ranking)) + 24, extra_px=legend_px(used))
