"""The time axis of a run, the same in every chart that has one: seconds since the first request, and the phases."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.report.charts.drawing import BAND, FIRST, GRID, MUTED, SECOND, THIRD, colours
from analysis.report.charts.series import Series

_PHASE_NAMES = {"warmup": "warm-up"}
# Solid, dashed and dotted, for readers who cannot tell the colours apart.
_STROKES: tuple[tuple[str, list[float]], ...] = ((FIRST, [1, 0]), (SECOND, [5, 3]), (THIRD, [1.5, 2.5]))


def seconds_axis(field: str, series: Series) -> alt.X:
    end_s = float(series.over_time["second"].max()) + series.window_s if len(series.over_time) else 1.0
    scale = alt.Scale(domain=[0, end_s], nice=False)
    return alt.X(f"{field}:Q", title="seconds since the first request", axis=alt.Axis(grid=False), scale=scale)


def lines_over_time(
    frame: pd.DataFrame, names: Sequence[str], title: str, series: Series, highest: float = 0.0
) -> alt.Chart:
    """A line for each of up to three names: `value` by the `middle` of its window, from the column `name`.

    `highest` is what the axis reaches at least. A name has the same stroke wherever it has the same place in `names`.
    """
    used = {name: stroke for name, stroke in zip(names, _STROKES, strict=False) if name in set(frame["name"])}
    domain, shades, dashes = list(used), [shade for shade, _ in used.values()], [dash for _, dash in used.values()]
    # The names of the phases stand in the room above the highest point.
    top = max(highest, float(frame["value"].max()) if len(frame) else 0.0) * 1.15 or 1.0
    lines: alt.Chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=1.8, strokeJoin="round")
        .encode(
            x=seconds_axis("middle", series),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, top], nice=False)),
            color=colours("name", domain, shades),
            strokeDash=alt.StrokeDash("name:N", scale=alt.Scale(domain=domain, range=dashes), legend=None),
        )
    )
    return lines


def phase_bands(phases: pd.DataFrame) -> list[alt.Chart]:
    """A tint behind the phases that count nowhere, and each phase's name where it begins."""
    named = phases.assign(
        name=phases["phase"].replace(_PHASE_NAMES), end_s=phases["start_s"].shift(-1).fillna(phases["end_s"])
    )
    x, x2 = alt.X("start_s:Q"), alt.X2("end_s:Q")
    excluded = named[named["phase"].isin(["warmup", "ramp"])]
    # A name needs room: about 13 % of the axis.
    wide = named[(named["end_s"] - named["start_s"]) > 0.13 * named["end_s"].max()]
    return [
        alt.Chart(excluded).mark_rect(color=BAND, stroke=GRID, strokeWidth=1).encode(x=x, x2=x2),
        alt.Chart(wide)
        .mark_text(y=4, align="left", dx=4, color=MUTED, fontSize=11, baseline="top")
        .encode(x=x, text=alt.Text("name:N")),
    ]
