"""The drawing of cost against latency: each variant with both intervals, and the front that nothing beats."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.report.charts.drawing import FIRST, INK, MUTED, SECOND, colours, log_axis, svg
from analysis.verdict.front import Front
from analysis.verdict.ranking import Ranked

_SHADES = {Front.on: FIRST, Front.near: SECOND, Front.off: MUTED}
# More names than these would stand on each other; then only those on the front are named.
_MOST_NAMES = 5


def draw_front(ranking: Sequence[Ranked], stands: Mapping[str, Front]) -> Markup:
    """Further left is cheaper, further down is quicker; a line joins the front."""
    on = [each.label for each in ranking if stands[each.label] is Front.on]
    named = set(on) if len(ranking) > _MOST_NAMES else {each.label for each in ranking}
    costs, tails = [each.usd_per_million for each in ranking], [each.p99_ms for each in ranking]
    # An interval without an upper bound is drawn as far as the others reach.
    most_usd, most_ms = (
        max(bound for each in figures for bound in (each.value, each.high) if math.isfinite(bound))
        for figures in (costs, tails)
    )
    frame = pd.DataFrame(
        [
            {
                "name": each.label if each.label in named else "",
                "front": stands[each.label].value,
                "usd": cost.value,
                "low_usd": cost.low,
                "high_usd": min(cost.high, most_usd),
                "ms": tail.value,
                "low_ms": tail.low,
                "high_ms": min(tail.high, most_ms),
            }
            for each, cost, tail in zip(ranking, costs, tails, strict=True)
        ]
    )
    used = [each for each in Front if each.value in set(frame["front"])]
    colour = colours("front", [each.value for each in used], [_SHADES[each] for each in used], symbol="circle")
    # Room at the right for the name of the dearest.
    x_scale, x_axis = _axis(frame, "usd", 0.3)
    y_scale, y_axis = _axis(frame, "ms", 0.1)
    x = alt.X("usd:Q", title="USD per million good predictions (logarithmic)", scale=x_scale, axis=x_axis)
    y = alt.Y("ms:Q", title="p99, ms (logarithmic)", scale=y_scale, axis=y_axis)
    base = alt.Chart(frame).encode(x=x, y=y, color=colour)
    joined = alt.Chart(frame[frame["front"] == Front.on.value].sort_values("usd"))
    return svg(
        alt.layer(
            joined.mark_line(color=FIRST, interpolate="step-after", strokeDash=[4, 3], strokeWidth=1.2).encode(
                x=x, y=y, order="usd:Q"
            ),
            base.mark_rule(opacity=0.4, strokeWidth=4).encode(x=alt.X("low_usd:Q", scale=x_scale), x2="high_usd:Q"),
            base.mark_rule(opacity=0.4, strokeWidth=4).encode(y=alt.Y("low_ms:Q", scale=y_scale), y2="high_ms:Q"),
            base.mark_point(filled=True, size=55, opacity=1),
            *(
                # Above and below in turn, so that neighbours do not stand on each other.
                alt.Chart(frame.sort_values("usd").iloc[first::2])
                .mark_text(align="left", dx=6, dy=dy, fontSize=11.5, color=INK)
                .encode(x=x, y=y, text="name:N")
                for first, dy in ((0, 11), (1, -9))
            ),
        ),
        "Cost per million good predictions against the 99th percentile of latency of each variant, with 95 % "
        f"intervals. Nothing is both cheaper and quicker than {', '.join(on) or 'any'}; the numbers are in the table.",
        height_px=270,
    )


def _axis(frame: pd.DataFrame, unit: str, room: float) -> tuple[alt.Scale, alt.Axis]:
    """Logarithmic, over all intervals with some room around them; one without a lower bound ends at the edge."""
    low = min(float(frame[unit].min()) * 0.9, float(frame[f"low_{unit}"].max()))
    high = float(frame[f"high_{unit}"].max())
    low = min(max(low, float(frame[unit].min()) / 2), high / 1.2)
    scale = alt.Scale(type="log", domain=[low, high * (high / low) ** room], nice=False, clamp=True)
    return scale, log_axis(low, high)
