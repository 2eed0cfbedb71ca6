"""The time axis of a run, the same in every chart that has one: seconds since the first request, and the phases."""

import altair as alt
import pandas as pd

from analysis.report.charts.drawing import BAND, GRID, MUTED
from analysis.report.charts.series import Series

_PHASE_NAMES = {"warmup": "warm-up"}


def seconds_axis(field: str, series: Series) -> alt.X:
    """From the first request to the end of the last window."""
    end_s = float(series.over_time["second"].max()) + series.window_s if len(series.over_time) else 1.0
    scale = alt.Scale(domain=[0, end_s], nice=False)
    return alt.X(f"{field}:Q", title="seconds since the first request", axis=alt.Axis(grid=False), scale=scale)


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
        .mark_text(align="left", dx=4, color=MUTED, fontSize=11, baseline="top")
        .encode(x=x, y=alt.value(4), text=alt.Text("name:N")),
    ]
