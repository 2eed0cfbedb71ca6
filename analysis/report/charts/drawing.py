"""Turns a chart into an SVG element in the page's colours, light, dark and in print, or into a file of its own."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from altair.utils import schemapi
from markupsafe import Markup

# Altair would compare every part of every drawing with its schema, which takes a third of the time of a drawing. What
# the parts are is written down here and in the modules beside, so it is enough that the tests turn it on.
schemapi.DEBUG_MODE = False

_WIDTH_PX = 440
_HEIGHT_PX = 230
# Of a legend: the widths of a letter and of a symbol with its margins, and the height of a line.
_LETTER_PX, _SYMBOL_PX, _LEGEND_LINE_PX = 7.5, 30.0, 18
_STYLE = Path(__file__).parents[1] / "templates" / "style.css"
# Screens with many dots show a picture at half its size.
_PNG_SCALE = 2.0
# The page's style sheet gives these their values, once for light and once for dark.
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
FIRST, SECOND, THIRD, FOURTH = (f"var(--series-{number})" for number in range(1, 5))
BAD, BAND = "var(--bad)", "var(--band)"
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
_FRAME = {
    "$schema": alt.SCHEMA_URL,
    "width": _WIDTH_PX,
    "background": "transparent",
    "autosize": {"type": "fit", "contains": "padding"},
    "padding": 2,
    "config": _LOOK.to_dict(),
}
_TAG = re.compile(r"<[^>]+>")
_NAMING = re.compile(r' (?:role|class|aria-[a-z]+|pointer-events)="[^"]*"')
_LONG = re.compile(r"\d+\.\d{3,}")


@dataclass(frozen=True)
class Chart:
    """A drawing with its title and a caption; `file` is what an export calls it, where that is not its title.

    The caption of a `finding` says what the drawing alone does not.
    """

    title: str
    caption: str
    svg: Markup | None
    file: str = ""
    finding: bool = False


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
    return 50 + 30 * rows


def colours(field: str, names: list[str], values: list[str], symbol: str = "stroke") -> alt.Color:
    legend = alt.Legend(
        orient="top",
        title=None,
        symbolType=symbol,
        symbolStrokeWidth=3,
        offset=6,
        columns=_legend_columns(names),
        labelLimit=0,
        # A browser's font may be wider than the one that this is drawn with.
        columnPadding=max(map(len, names), default=1) * _LETTER_PX / 5,
    )
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=names, range=values), legend=legend)


def legend_px(names: Sequence[str]) -> int:
    """The height of a legend beyond its first line."""
    return (-(-len(names) // _legend_columns(names)) - 1) * _LEGEND_LINE_PX


def _legend_columns(names: Sequence[str]) -> int:
    """As many as fit beside each other: a legend in one line would be cut where the drawing ends."""
    widest_px = max(map(len, names), default=1) * _LETTER_PX + _SYMBOL_PX
    return max(1, min(len(names), int(_WIDTH_PX // widest_px)))


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


def svg(layers: Sequence[alt.Chart], description: str, height_px: int = _HEIGHT_PX, extra_px: int = 0) -> Markup:
    """The drawing as one SVG element: scales with its column, named for screen readers, no script, no identifiers.

    `extra_px` is added to the height, for a legend of several lines.
    """
    # Put together here: Altair copies each layer several times to do it.
    datasets: dict[str, Any] = {}
    parts = [_part(layer, datasets) for layer in layers]
    drawn: str = vl_convert.vegalite_to_svg(
        {**_FRAME, "height": height_px + extra_px, "layer": parts, "datasets": datasets}
    )
    head, body = drawn.split(">", 1)
    view_box = head.split('viewBox="')[1].split('"')[0]
    element = Markup('<svg role="img" aria-label="{}" viewBox="{}">{}')
    return element.format(description, view_box, Markup(_TAG.sub(_lean, body)))  # noqa: S704 - drawn above; its texts are escaped there


def _part(layer: alt.Chart, datasets: dict[str, Any]) -> dict[str, Any]:
    """The layer, with its data by name. Altair would inspect and copy each column, and again for each layer of it."""
    frame = layer.data
    name = f"data-{id(frame)}"
    if name not in datasets:
        datasets[name] = json.loads(frame.to_json(orient="records", double_precision=15))
    named = layer.copy(deep=False)
    named.data = alt.NamedData(name)
    part: dict[str, Any] = named.to_dict(validate=schemapi.DEBUG_MODE, context={"top_level": False})
    return part


def labelled_bars(
    frame: pd.DataFrame, name: str, title: str, description: str, parts: alt.Chart | None = None
) -> Markup:
    """A horizontal bar for each row, from the columns `name`, `value` and `label`.

    `parts` has a `value` for each part of a bar, and says how they are drawn.
    """
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=name_axis())
    # Room at the right for the longest label, which stands outside its bar.
    scale = alt.Scale(domain=[0, float(frame["value"].max()) * 1.18 or 1.0], nice=False)
    x = alt.X("value:Q", title=title, axis=alt.Axis(tickCount=4), scale=scale)
    bars = alt.Chart(frame) if parts is None else parts
    labels = alt.Chart(frame).mark_text(align="left", dx=5, color=INK, fontSize=12)
    layers = [
        bars.mark_bar(height=alt.RelativeBandSize(0.62), color=FIRST).encode(x=x, y=y),
        labels.encode(x=x, y=y, text=alt.Text("label:N")),
    ]
    legend_px = 0 if parts is None else 24
    return svg(layers, description, height_px=rows_height_px(len(frame)) + legend_px)


def standalone(drawing: str) -> str:
    """The drawing as an SVG file, in the page's light colours on its background."""
    light, _, _ = _STYLE.read_text(encoding="utf-8").partition("@media")
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", light))
    # Plain text: what is put into markup would be escaped.
    head, body = str(drawing).split(">", 1)
    view_box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    assert view_box  # every drawing has one, see svg
    width, height = view_box.groups()
    sized = head.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ', 1)
    background = f'<rect width="100%" height="100%" fill="{colours["--page"]}"/>'
    return re.sub(r"var\((--[\w-]+)\)", lambda name: colours[name[1]], f"{sized}>{background}{body}")


def png(svg_file: str) -> bytes:
    picture: bytes = vl_convert.svg_to_png(svg_file, scale=_PNG_SCALE)
    return picture


def _lean(tag: re.Match[str]) -> str:
    """A tag without roles and names of its own, since the drawing has one name, and with coordinates to 0.01 px."""
    return _LONG.sub(lambda digits: f"{float(digits[0]):.2f}", _NAMING.sub("", tag[0]))
