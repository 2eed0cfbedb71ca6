"""Turns a chart into an SVG element in the page's own colours, so that one drawing serves light, dark and print."""

import re

import altair as alt
import vl_convert
from altair.utils import schemapi
from markupsafe import Markup

# Altair would compare every part of every drawing with its schema, which takes a third of the time of a drawing. What
# the parts are is written down here and in the modules beside, so it is enough that the tests turn it on.
schemapi.DEBUG_MODE = False

_WIDTH_PX = 440
_HEIGHT_PX = 230
# The page's style sheet gives these their values, once for light and once for dark.
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
FIRST, SECOND, THIRD, FOURTH, BAD, BAND = (
    "var(--series-1)",
    "var(--series-2)",
    "var(--series-3)",
    "var(--series-4)",
    "var(--bad)",
    "var(--band)",
)
_LOOK = alt.Config(
    font="system-ui, sans-serif",
    view=alt.ViewConfig(stroke=None),
    axis=alt.AxisConfig(
        labelColor=MUTED,
        titleColor=MUTED,
        gridColor=GRID,
        domainColor=GRID,
        tickColor=GRID,
        labelFontSize=11.5,
        titleFontSize=12,
        titleFontWeight="normal",
        tickCount=6,
    ),
    legend=alt.LegendConfig(labelColor=INK, labelFontSize=12),
)
_TAG = re.compile(r"<[^>]+>")
_NAMING = re.compile(r' (?:role|class|aria-[a-z]+|pointer-events)="[^"]*"')
_LONG = re.compile(r"\d+\.\d{3,}")


def name_axis() -> alt.Axis:
    """An axis of names, the parts of a name below each other."""
    # The limit and the extent differ, since a browser's font may be wider than the one that this is drawn with.
    return alt.Axis(
        ticks=False,
        domain=False,
        labelPadding=8,
        grid=False,
        labelColor=INK,
        labelExpr="split(datum.label, ' · ')",
        labelLimit=115,
        minExtent=135,
    )


def rows_height_px(rows: int) -> int:
    """How high a chart is that has a row for each of so many names."""
    return 50 + 30 * rows


def colours(field: str, names: list[str], values: list[str], symbol: str = "stroke") -> alt.Color:
    """One colour for each name, with a legend above the chart."""
    legend = alt.Legend(orient="top", title=None, symbolType=symbol, symbolStrokeWidth=3, offset=6)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=names, range=values), legend=legend)


def log_axis(low: float, high: float, *, grid: bool = True) -> alt.Axis:
    """A logarithmic axis with round numbers. Without the count half of its labels would be left out."""
    ticks = _log_ticks(low, high)
    return alt.Axis(values=ticks, tickCount=len(ticks) * 4, format=",~r", grid=grid)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between `low` and `high`: 1, 2, 5 of each decade, or finer ones where those would be too few."""
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), range(1, 10), tuple(x / 10 for x in range(10, 100))):
        ticks = [step * 10.0**power for power in range(-3, 8) for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) >= 4:
            return ticks[:: max(1, len(ticks) // 8)]
    return [low, high]


def svg(chart: alt.LayerChart | alt.FacetChart, description: str, height_px: int = _HEIGHT_PX) -> Markup:
    """The drawing as one SVG element: scales with its column, named for screen readers, no script, no identifiers."""
    # All at once: Altair copies a drawing and all of its layers for every property that is set by itself.
    spec = chart.properties(
        width=_WIDTH_PX,
        height=height_px,
        background="transparent",
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        padding=2,
        config=_LOOK,
    )
    drawn: str = vl_convert.vegalite_to_svg(spec.to_dict(validate=schemapi.DEBUG_MODE))
    head, body = drawn.split(">", 1)
    view_box = head.split('viewBox="')[1].split('"')[0]
    element = Markup('<svg role="img" aria-label="{}" viewBox="{}">{}')
    return element.format(description, view_box, Markup(_TAG.sub(_lean, body)))  # noqa: S704 - drawn above; its texts are escaped there


def _lean(tag: re.Match[str]) -> str:
    """A tag without roles and names of its own, since the drawing has one name, and with coordinates to 0.01 px."""
    return _LONG.sub(_rounded, _NAMING.sub("", tag[0]))


def _rounded(digits: re.Match[str]) -> str:
    return f"{float(digits[0]):.2f}"
