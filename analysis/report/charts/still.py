"""Turns a drawing of the page into a picture of its own: with colours instead of the page's names for them."""

import re
from pathlib import Path

import vl_convert

_STYLE = Path(__file__).parents[1] / "templates" / "style.css"
_SCALE = 2.0


def standalone(drawing: str) -> str:
    """The SVG with the colours that the page has by day, on its background, for a file of its own."""
    colours = _by_day()
    # Plain text: what is put into markup would be escaped.
    head, body = str(drawing).split(">", 1)
    view_box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    assert view_box  # every drawing is made by analysis.report.charts.drawing
    width, height = view_box.groups()
    sized = head.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ', 1)
    background = f'<rect width="100%" height="100%" fill="{colours["--page"]}"/>'
    return re.sub(r"var\((--[\w-]+)\)", lambda name: colours[name[1]], f"{sized}>{background}{body}")


def png(svg: str) -> bytes:
    """The picture at twice its size, for screens with many dots."""
    picture: bytes = vl_convert.svg_to_png(svg, scale=_SCALE)
    return picture


def _by_day() -> dict[str, str]:
    light, _, _ = _STYLE.read_text(encoding="utf-8").partition("@media")
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", light))
