"""The part of a run's report that says what server and generator used meanwhile."""

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.report.charts.drawing import FIRST, INK, MUTED, SECOND, THIRD, colours, svg
from analysis.report.charts.series import Series
from analysis.report.charts.time_axis import phase_bands, seconds_axis
from analysis.results.resource_usage import ResourceUsage
from analysis.results.samples import GENERATOR, MACHINE, SERVER

_NAMES = {SERVER: "server", GENERATOR: "generator", MACHINE: "all programs"}
_COLOURS = {SERVER: FIRST, GENERATOR: SECOND, MACHINE: THIRD}
_DASHES: dict[str, list[float]] = {SERVER: [1, 0], GENERATOR: [5, 3], MACHINE: [1.5, 2.5]}
_MB = 1e6


def cores_over_time(name: str, meanwhile: ResourceUsage, series: Series) -> Markup:
    """Cores in use, on the time axis of the latency, and a line at the cores that the server may use."""
    frame = meanwhile.over_time
    most = float(frame["most_cores"].max())
    serving = frame[frame["subject"] == SERVER]["most_cores"]
    ceiling = pd.DataFrame([{"cores": serving.max(), "end_s": series.over_time["second"].max() + series.window_s}])
    layers = [*phase_bands(series.phases), _lines(frame, "cores", "cores in use", most * 1.15, series)]
    for_server = ""
    if len(serving):
        at = alt.Y("cores:Q")
        layers += [
            alt.Chart(ceiling).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=at),
            alt.Chart(ceiling.assign(label="the server may use"))
            .mark_text(align="right", dx=-4, dy=-6, color=INK, fontSize=11)
            .encode(x=seconds_axis("end_s", series), y=at, text="label:N"),
        ]
        for_server = f" The server may use {serving.max():g}."
    return svg(
        alt.layer(*layers),
        f"Cores in use while {name} was measured, by {_listed(frame)}, in windows of {meanwhile.window_s} s;"
        f" the numbers are in a table below.{for_server}",
    )


def memory_over_time(name: str, meanwhile: ResourceUsage, series: Series) -> Markup:
    """Resident memory, on the time axis of the latency."""
    frame = meanwhile.over_time.dropna(subset=["memory_bytes"])
    frame = frame.assign(memory_mb=frame["memory_bytes"] / _MB)
    top_mb = float(frame["memory_mb"].max()) * 1.15
    return svg(
        alt.layer(*phase_bands(series.phases), _lines(frame, "memory_mb", "resident memory, MB", top_mb, series)),
        f"Resident memory while {name} was measured, by {_listed(frame)}, the most in each {meanwhile.window_s} s;"
        " the numbers are in a table below.",
    )


def rows(meanwhile: ResourceUsage) -> list[tuple[float, str, float, float]]:
    """From (s), whose, cores, memory in MB (NaN where there is none): the numbers behind both charts, by time."""
    frame = meanwhile.over_time
    names, memory_mb = frame["subject"].map(_NAMES), frame["memory_bytes"] / _MB
    return list(zip(frame["second"], names, frame["cores"], memory_mb, strict=True))


def _lines(frame: pd.DataFrame, field: str, title: str, top: float, series: Series) -> alt.Chart:
    subjects = _subjects(frame)
    names = [_NAMES[subject] for subject in subjects]
    # A window's figure stands in its middle; the last one is shorter than the others.
    middles = (frame["second"] + series.window_s / 2).clip(upper=series.over_time["second"].max() + series.window_s)
    named = frame.assign(middle=middles, whose=frame["subject"].map(_NAMES))
    dashes = alt.Scale(domain=names, range=[_DASHES[subject] for subject in subjects])
    lines: alt.Chart = (
        alt.Chart(named)
        .mark_line(strokeWidth=1.8, strokeJoin="round")
        .encode(
            x=seconds_axis("middle", series),
            y=alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, top], nice=False)),
            color=colours("whose", names, [_COLOURS[subject] for subject in subjects]),
            strokeDash=alt.StrokeDash("whose:N", scale=dashes, legend=None),
        )
    )
    return lines


def _subjects(frame: pd.DataFrame) -> list[str]:
    found = set(frame["subject"])
    return [subject for subject in _NAMES if subject in found]


def _listed(frame: pd.DataFrame) -> str:
    return ", ".join(_NAMES[subject] for subject in _subjects(frame))
