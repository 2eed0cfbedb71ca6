"""The charts of a report: what each encodes, and the sentence a screen reader says for it."""

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import number
from analysis.report.charts.drawing import (
    BAD,
    BAND,
    FIRST,
    GRID,
    INK,
    MUTED,
    SECOND,
    THIRD,
    colours,
    log_axis,
    name_axis,
    rows_height_px,
    svg,
)
from analysis.report.charts.series import HEAT_SHARES, Series
from analysis.report.charts.time_axis import phase_bands, seconds_axis
from analysis.report.collect import Run
from analysis.results.manifest import Capacity
from stacks.load_profiles import ClosedLoop

_SHADES = [f"under {HEAT_SHARES[1]:.0%}", *(f"from {least:.0%}" for least in HEAT_SHARES[1:])]
_OPACITIES = [0.15, 0.32, 0.52, 0.75, 1.0]


def latency_over_time(run: Run, series: Series) -> Markup:
    """Median, p95 and slowest of the good answers by the time they were asked for; errors as marks below."""
    frame = series.over_time.assign(middle=lambda table: table["second"] + series.window_s / 2)
    lines = frame.melt(
        id_vars=["middle"], value_vars=["p50_ms", "p95_ms", "max_ms"], var_name="figure", value_name="ms"
    ).dropna()
    names = {"p50_ms": "median", "p95_ms": "p95", "max_ms": "slowest"}
    lines["figure"] = lines["figure"].map(names)
    x = seconds_axis("middle", series)
    # The names of the phases stand in the room above the highest point.
    scale = alt.Scale(domain=[0, float(lines["ms"].max()) * 1.15 if len(lines) else 1.0], nice=False)
    curves = (
        alt.Chart(lines)
        .mark_line(strokeWidth=1.8, strokeJoin="round")
        .encode(
            x=x,
            y=alt.Y("ms:Q", title="latency, ms", scale=scale),
            color=colours("figure", list(names.values()), [FIRST, SECOND, THIRD]),
            strokeDash=alt.StrokeDash(
                "figure:N",
                scale=alt.Scale(domain=list(names.values()), range=[[1, 0], [5, 3], [1.5, 2.5]]),
                legend=None,
            ),
        )
    )
    layers = [*phase_bands(series.phases), curves]
    failed = frame[frame["errors"] > 0]
    if len(failed):
        layers.append(
            alt.Chart(failed)
            .mark_tick(color=BAD, thickness=3, size=9, orient="vertical")
            .encode(x=x, y=alt.value("height"))
        )
    return svg(
        alt.layer(*layers),
        f"Latency of {run.name} over time: the median, the 95th percentile and the slowest answer in each "
        f"{series.window_s} s; the numbers are in a table below.",
    )


def latency_heat(run: Run, series: Series) -> Markup:
    """Which latencies the good answers of each window had: the stronger the colour, the more of them."""
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
    return svg(
        alt.layer(bands, heat, begins, *names),
        f"Heat map of latency of {run.name} over time, in windows of {series.window_s} s: which share of a window's "
        "good answers took how long. Median, p95 and slowest of each window are in a table below.",
    )


def latency_distribution(run: Run, series: Series) -> Markup:
    """How many good answers of the hold took how long, on a logarithmic axis, with the quantiles marked."""
    bins = series.distribution
    total = bins["count"].sum()
    frame = bins.assign(share=bins["count"] / total * 100)
    quantiles = pd.DataFrame(
        [
            {"ms": run.summary.p50_ms, "label": "p50", "row": 0},
            {"ms": run.summary.p95_ms, "label": "p95", "row": 1},
            {"ms": run.summary.p99_ms, "label": "p99", "row": 2},
        ]
    )
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
    return svg(
        alt.layer(bars, rules, labels),
        f"Distribution of latency of {run.name} in the hold phase: median {number(run.summary.p50_ms)} ms, "
        f"p95 {number(run.summary.p95_ms)} ms, p99 {number(run.summary.p99_ms)} ms.",
    )


def latency_by_rate(run: Run, capacity: Capacity) -> Markup:
    """Median and p99 of every rate that a capacity search tried, the objective, and the interval that it found."""
    steps = pd.DataFrame([step.model_dump() for step in capacity.steps]).dropna(subset=["p50_ms"])
    points = steps.melt(
        id_vars=["rate_rps"], value_vars=["p50_ms", "p99_ms"], var_name="quantile", value_name="ms"
    ).replace({"p50_ms": "p50", "p99_ms": "p99"})
    x = alt.X("rate_rps:Q", title="requests a second", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("ms:Q", title="latency, ms (logarithmic)", scale=alt.Scale(type="log"))
    interval = pd.DataFrame([{"low": capacity.rps.low, "high": capacity.rps.high}])
    objective = pd.DataFrame([{"ms": capacity.latency_ms}])
    layers = [
        alt.Chart(interval).mark_rect(color=BAND, stroke=GRID).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q")),
        alt.Chart(objective).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=y),
        alt.Chart(points)
        .mark_point(filled=True, size=45, opacity=0.9)
        .encode(x=x, y=y, color=colours("quantile", ["p50", "p99"], [FIRST, SECOND], symbol="circle")),
    ]
    return svg(
        alt.layer(*layers),
        f"Latency of {run.name} against the rate of requests: {len(steps)} steps; the capacity is"
        f" {number(capacity.rps.low)} to {number(capacity.rps.high)} requests a second; the numbers are in a table.",
    )


def throughput_by_users(run: Run, load: ClosedLoop, series: Series) -> Markup:
    """Good answers a second on the way up, the hold's goodput, and what the users could ask for at most."""
    x = alt.X(
        "users:Q", title="users", scale=alt.Scale(domain=[0, load.users * 1.04], nice=False), axis=alt.Axis(grid=False)
    )
    y = alt.Y("goodput_rps:Q", title="good predictions a second")
    climb = alt.Chart(series.by_users).mark_line(color=FIRST, strokeWidth=1.8, point={"color": FIRST, "size": 22})
    layers: list[alt.Chart] = []
    if load.wait_s:
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
    return svg(
        alt.layer(*layers),
        f"Good predictions a second of {run.name} against the number of users; in the hold phase, with {load.users} "
        f"users, {number(run.summary.goodput_rps)}; the numbers are in a table below.",
    )


def cost_by_item(run: Run) -> Markup:
    """What each line item costs an hour; an item without a price has no bar."""
    items = pd.DataFrame(
        [
            {
                "item": item.short_name,
                "hourly": item.hourly or 0.0,
                "label": "no price" if item.hourly is None else number(item.hourly),
            }
            for item in run.manifest.cost.line_items
        ]
    )
    return _bars(
        items,
        value="hourly",
        name="item",
        title=f"{run.manifest.cost.currency} an hour",
        description=f"Cost of {run.name} an hour, by line item; the numbers are in the table of line items.",
    )


def _bars(frame: pd.DataFrame, value: str, name: str, title: str, description: str) -> Markup:
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=name_axis())
    # Room at the right for the longest label, which stands outside its bar.
    scale = alt.Scale(domain=[0, float(frame[value].max()) * 1.18 or 1.0], nice=False)
    base = alt.Chart(frame).encode(y=y, x=alt.X(f"{value}:Q", title=title, scale=scale))
    return svg(
        alt.layer(
            base.mark_bar(color=FIRST, opacity=0.85, height=alt.RelativeBandSize(0.62)),
            base.mark_text(align="left", dx=5, color=INK, fontSize=12).encode(text=alt.Text("label:N")),
        ),
        description,
        height_px=rows_height_px(len(frame)),
    )
