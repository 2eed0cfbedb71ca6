"""The charts of one run, each with its caption and a description for screen readers."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.capacity.misses import AtRate
from analysis.formatting import count, number
from analysis.objective import Objective
from analysis.report.charts.drawing import (
    BAD,
    BAND,
    FIRST,
    INK,
    MUTED,
    SECOND,
    Chart,
    colours,
    labelled_bars,
    log_axis,
    svg,
)
from analysis.report.charts.resource_usage import usage_charts
from analysis.report.charts.series import HEAT_SHARES, Series
from analysis.report.charts.time_axis import lines_over_time, phase_bands, seconds_axis
from analysis.report.collect import Run
from analysis.statistics.summary import FIGURES
from stacks.load.load_profiles import ClosedLoop

_SHADES = [f"under {HEAT_SHARES[1]:.0%}", *(f"from {least:.0%}" for least in HEAT_SHARES[1:])]
_OPACITIES = [0.15, 0.32, 0.52, 0.75, 1.0]


def run_charts(run: Run) -> tuple[Chart, ...]:
    series = run.series
    if series is None:
        return (_cost_by_item(run),)
    drawn = []
    if len(series.over_time):
        drawn.append(_latency_over_time(run, series))
        if run.resource_usage is not None:
            drawn += usage_charts(run.name, run.resource_usage, series)
    if len(series.heat):
        drawn.append(_latency_heat_map(run, series))
    if len(series.distribution):
        drawn.append(_latency_distribution(run, series))
    load = run.manifest.load
    if isinstance(load, ClosedLoop) and len(series.by_users):
        drawn.append(_throughput_by_users(run, load, series))
    if run.manifest.capacity and series.by_rate:
        drawn.append(_latency_by_rate(run, Objective.of_search(run.manifest.capacity), series.by_rate))
    return (*drawn, _cost_by_item(run))


def _latency_over_time(run: Run, series: Series) -> Chart:
    """Median, p95 and slowest of the good answers, by when each was due; errors as marks below."""
    names = {"p50_ms": "median", "p95_ms": "p95", "max_ms": "slowest"}
    frame = series.over_time.rename(columns=names).assign(middle=series.over_time["second"] + series.window_s / 2)
    lines = frame.melt(id_vars=["middle"], value_vars=list(names.values()), var_name="name").dropna()
    layers = [*phase_bands(series.phases), lines_over_time(lines, list(names.values()), "latency, ms", series)]
    failed = frame[frame["errors"] > 0]
    marks = ""
    if len(failed):
        ticks = alt.Chart(failed).mark_tick(y="height", color=BAD, thickness=3, size=9, orient="vertical")
        layers.append(ticks.encode(x=seconds_axis("middle", series)))
        marks = " Red marks: windows with errors."
    drawing = svg(
        layers,
        f"Latency of {run.name} over time: the median, the 95th percentile and the slowest answer in each "
        f"{series.window_s} s; the numbers are in a table below.",
    )
    caption = (
        f"Good answers, in windows of {series.window_s} s. Shaded: warm-up and ramp, which no figure counts.{marks}"
    )
    return Chart("Latency over time", caption, drawing)


def _latency_heat_map(run: Run, series: Series) -> Chart:
    cells = series.heat.assign(share=series.heat["shade"].map(dict(enumerate(_SHADES))))
    low_ms, high_ms = float(cells["low_ms"].min()), float(cells["high_ms"].max())
    # The names of the phases stand in the room above the slowest.
    scale = alt.Scale(type="log", domain=[low_ms, high_ms * (high_ms / low_ms) ** 0.12], nice=False)
    legend = alt.Legend(orient="top", title=None, symbolType="square", symbolStrokeWidth=0, offset=6)
    shades = alt.Scale(type="ordinal", domain=_SHADES, range=_OPACITIES)
    axis = log_axis(low_ms, high_ms, grid=False)
    heat = (
        alt.Chart(cells)
        .mark_rect(color=FIRST, strokeWidth=0)
        .encode(
            x=seconds_axis("start_s", series),
            x2=alt.X2("end_s:Q"),
            y=alt.Y("low_ms:Q", title="latency, ms (logarithmic)", scale=scale, axis=axis),
            y2=alt.Y2("high_ms:Q"),
            opacity=alt.Opacity("share:N", scale=shades, legend=legend),
        )
    )
    bands, *names = phase_bands(series.phases)
    begins = alt.Chart(series.phases).mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=alt.X("start_s:Q"))
    drawing = svg(
        [bands, heat, begins, *names],
        f"Heat map of latency of {run.name} over time, in windows of {series.window_s} s: which share of a window's "
        "good answers took how long. Median, p95 and slowest of each window are in a table below.",
    )
    caption = f"Share of the good answers in each {series.window_s} s. Lines: where a phase begins."
    return Chart("Latency heat map", caption, drawing)


def _latency_distribution(run: Run, series: Series) -> Chart:
    """A histogram of the good answers of the counted phase on a logarithmic axis, with p50, p95 and p99."""
    bins = series.distribution
    total = bins["count"].sum()
    frame = bins.assign(share=bins["count"] / total * 100)
    marked = {"p50": run.summary.p50_ms, "p95": run.summary.p95_ms, "p99": run.summary.p99_ms}
    quantiles = pd.DataFrame([{"ms": ms, "label": label, "row": row} for row, (label, ms) in enumerate(marked.items())])
    low_ms, high_ms = float(frame["low_ms"].min()), float(frame["high_ms"].max())
    # Room at the right for the name of a quantile that is close to the slowest answer.
    scale = alt.Scale(type="log", domain=[low_ms, high_ms * (high_ms / low_ms) ** 0.08], nice=False)
    axis = log_axis(low_ms, high_ms, grid=False)
    bars = (
        alt.Chart(frame)
        .mark_bar(color=FIRST, opacity=0.75, binSpacing=1)
        .encode(
            x=alt.X("low_ms:Q", scale=scale, axis=axis, title="latency, ms (logarithmic)"),
            x2=alt.X2("high_ms:Q"),
            # The names of the quantiles stand in the room above the highest bar.
            y=alt.Y(
                "share:Q",
                title="share of answers, %",
                scale=alt.Scale(domain=[0, frame["share"].max() * 1.3], nice=False),
            ),
            y2=alt.Y2Datum(0),
        )
    )
    rules = alt.Chart(quantiles).mark_rule(color=INK, strokeDash=[3, 3]).encode(x=alt.X("ms:Q", scale=scale))
    labels = (
        alt.Chart(quantiles)
        .transform_calculate(y="4 + datum.row * 14")
        .mark_text(align="left", dx=4, color=INK, fontSize=11, baseline="top")
        .encode(x=alt.X("ms:Q", scale=scale), y=alt.Y("y:Q", scale=None), text=alt.Text("label:N"))
    )
    drawing = svg(
        [bars, rules, labels],
        f"Distribution of latency of {run.name} in the counted phase: "
        f"{', '.join(f'{label} {number(ms)} ms' for label, ms in marked.items())}.",
    )
    return Chart("Latency distribution", f"{count(run.summary.good)} good answers of the counted phase.", drawing)


def _latency_by_rate(run: Run, objective: Objective, steps: Sequence[AtRate]) -> Chart:
    """Median and the objective's quantile at every rate of a capacity search, with the objective and the capacity."""
    limited = objective.quantile_name
    names = list(dict.fromkeys(("p50", limited)))
    values = [
        {"rate_rps": step.rate_rps, "quantile": name, "ms": ms}
        for step in steps
        for name, ms in (("p50", step.p50_ms), (limited, step.at_quantile_ms))
        if math.isfinite(ms)
    ]
    x = alt.X("rate_rps:Q", title="requests per second", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("ms:Q", title="latency, ms (logarithmic)", scale=alt.Scale(type="log"))
    limit = pd.DataFrame([{"ms": objective.latency_ms}])
    layers = [
        alt.Chart(limit).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=y),
        alt.Chart(pd.DataFrame(values, columns=["rate_rps", "quantile", "ms"]))
        .mark_point(filled=True, size=45, opacity=0.9)
        .encode(x=x, y=y, color=colours("quantile", names, [FIRST, SECOND][: len(names)], symbol="circle")),
    ]
    shaded, is_known = "", "is not known"
    if capacity := run.summary.capacity:
        # The axis is logarithmic: an end without a bound is drawn at half or twice the other one.
        high = capacity.high if math.isfinite(capacity.high) else capacity.low * 2
        interval = pd.DataFrame([{"low": capacity.low or high / 2, "high": high}])
        band = alt.Chart(interval).mark_rect(color=BAND, stroke=MUTED)
        layers.insert(0, band.encode(x=alt.X("low:Q"), x2=alt.X2("high:Q")))
        shaded, is_known = " Shaded: the capacity of this run.", f"is {capacity.text(number)} requests per second"
    drawing = svg(
        layers,
        f"Latency of {run.name} against the rate of requests, the median and {limited}: {len(steps)} steps; the"
        f" capacity {is_known}.",
    )
    caption = (
        f"Every step of the search. Dashed: the limit of {limited}, {objective.latency_ms:g} ms. A failed request"
        f" counts as one that is never answered.{shaded}"
    )
    return Chart("Latency against rate", caption, drawing)


def _throughput_by_users(run: Run, load: ClosedLoop, series: Series) -> Chart:
    """Goodput during the ramp and in the hold, and the most that the users could send."""
    x = alt.X(
        "users:Q", title="users", scale=alt.Scale(domain=[0, load.users * 1.04], nice=False), axis=alt.Axis(grid=False)
    )
    what = FIGURES["goodput_rps"].label_of(run.manifest)
    y = alt.Y("goodput_rps:Q", title=what)
    climb = alt.Chart(series.by_users).mark_line(color=FIRST, strokeWidth=1.8, point={"color": FIRST, "size": 22})
    layers: list[alt.Chart] = []
    dashed = ""
    if load.wait_s:
        dashed = " Dashed: what the users would send if every answer took no time."
        ceiling = pd.DataFrame({"users": [0, load.users], "goodput_rps": [0, load.users / load.wait_s]})
        layers.append(alt.Chart(ceiling).mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1.2).encode(x=x, y=y))
    layers.append(climb.encode(x=x, y=y))
    hold = pd.DataFrame({"users": [load.users], "goodput_rps": [run.summary.goodput_rps], "label": ["hold"]}).dropna()
    if len(hold):
        point = alt.Chart(hold).encode(x=x, y=y)
        layers += [
            point.mark_point(color=SECOND, filled=True, size=70, opacity=1),
            point.mark_text(align="right", dx=6, dy=18, color=INK, fontSize=11).encode(text=alt.Text("label:N")),
        ]
    drawing = svg(
        layers,
        f"{what.capitalize()} of {run.name} against the number of users; in the hold phase, with {load.users} "
        f"users, {number(run.summary.goodput_rps)}; the numbers are in a table below.",
    )
    return Chart("Throughput against users", f"During the ramp, and in the hold.{dashed}", drawing)


def _cost_by_item(run: Run) -> Chart:
    """The hourly price of each line item; an item without a price has no bar."""
    items = pd.DataFrame(
        [
            {
                "item": item.short_name,
                "value": item.hourly or 0.0,
                "label": "no price" if item.hourly is None else number(item.hourly),
            }
            for item in run.manifest.cost.line_items
        ]
    )
    description = f"Hourly price of {run.name} by line item; the numbers are in the table of line items."
    drawing = labelled_bars(items, "item", f"{run.manifest.cost.currency}/h", description)
    return Chart("Price", "Hourly price of the serving side, by line item.", drawing, "cost")
