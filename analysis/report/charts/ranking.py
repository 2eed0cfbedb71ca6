"""The charts of the ranking: cost and p99 of each variant with their intervals, and one against the other."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.report.charts.drawing import (
    BAD,
    FIRST,
    INK,
    MUTED,
    SECOND,
    Chart,
    colours,
    log_axis,
    name_axis,
    rows_height_px,
    svg,
)
from analysis.report.comparison import MEETS
from analysis.statistics.figures import Figure
from analysis.statistics.summary import FIGURES
from analysis.verdict.front import Front
from analysis.verdict.ranking import Ranked
from analysis.verdict.verdict import Verdict

# An interval without an upper bound is drawn as far as the others reach, and open at its end.
_OPEN_END = "▸"
_SHADES = {Front.on: FIRST, Front.near: SECOND, Front.off: MUTED}
# More names than these would stand on each other; then only those on the front are named.
_MOST_NAMES = 5


def ranking_charts(verdict: Verdict, front: Mapping[str, Front]) -> tuple[Chart, ...]:
    ranking, limit_ms = verdict.ranking, verdict.objective.latency_ms
    dashed = "" if limit_ms is None else " Dashed: the limit."
    return (
        Chart(
            "Cost per million good predictions",
            "With 95 % intervals, in the order of the ranking. Further left is better.",
            _intervals(ranking, FIGURES["usd_per_million_good"]),
            "ranking-cost",
        ),
        Chart(
            "p99 latency",
            f"With 95 % intervals, in the same order. {_OPEN_END}: the data sets no upper bound.{dashed}",
            _intervals(ranking, FIGURES["p99_ms"], limit_ms),
            "ranking-p99",
        ),
        Chart(
            "Cost against latency",
            "With 95 % intervals. Further left is cheaper, further down is faster. Dashed: the Pareto front; no other"
            " variant is both cheaper and faster.",
            _front(ranking, front),
            "ranking-cost-against-latency",
        ),
    )


def _intervals(ranking: Sequence[Ranked], figure: Figure, limit: float | None = None) -> Markup:
    """A point for each variant and a bar for its interval, in the colour of whether it meets the objective."""
    estimates = [each.figures[figure.name] for each in ranking]
    bounds = (bound for each in estimates for bound in (each.value, each.high, limit or 0))
    reach = max(bound for bound in bounds if math.isfinite(bound))
    frame = pd.DataFrame(
        [
            {
                "variant": each.label,
                "value": estimate.value,
                "low": estimate.low,
                "high": min(estimate.high, reach),
                "meets": MEETS[each.meets],
                "label": figure.show(estimate.value) + ("" if math.isfinite(estimate.high) else f" {_OPEN_END}"),
            }
            for each, estimate in zip(ranking, estimates, strict=True)
        ]
    )
    used = [name for name in MEETS.values() if name in set(frame["meets"])]
    shades = dict(zip(MEETS.values(), (FIRST, SECOND, MUTED), strict=True))
    # Room at the right for the longest label, which stands outside its bar.
    axis = alt.Axis(tickCount=4)
    x = alt.X("low:Q", title=figure.label, axis=axis, scale=alt.Scale(domain=[0, reach * 1.18], nice=False))
    base = alt.Chart(frame).encode(y=alt.Y("variant:N", sort=None, title=None, axis=name_axis()))
    colour = colours("meets", used, [shades[name] for name in used], symbol="circle")
    layers = [
        base.mark_bar(height=7, opacity=0.4).encode(x=x, x2="high:Q", color=colour),
        base.mark_point(filled=True, size=50, opacity=1).encode(x="value:Q", color=colour),
        base.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(x="high:Q", text="label:N"),
    ]
    description = (
        f"Each variant's {figure.label} with its 95 % interval, in the order of the ranking; the numbers are in the"
        " table."
    )
    if limit is not None:
        rule = alt.Chart(pd.DataFrame({"limit": [limit]})).mark_rule(color=BAD, strokeDash=[4, 3], strokeWidth=1.5)
        layers.append(rule.encode(x="limit:Q"))
        description += f" A line stands at the limit of {limit:g}{f' {figure.unit}' if figure.unit else ''}."
    return svg(alt.layer(*layers), description, height_px=rows_height_px(len(ranking)) + 24)


def _front(ranking: Sequence[Ranked], stands: Mapping[str, Front]) -> Markup:
    """Each variant with both intervals; further left is cheaper, further down is faster, and a line joins the front."""
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
    # Room at the right for the name of the most expensive variant.
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
        f"intervals. No variant is both cheaper and faster than {', '.join(on) or 'any'}; the numbers are in the"
        " table.",
        height_px=270,
    )


def _axis(frame: pd.DataFrame, unit: str, room: float) -> tuple[alt.Scale, alt.Axis]:
    """Logarithmic, over all intervals with some room around them; one without a lower bound ends at the edge."""
    low = min(float(frame[unit].min()) * 0.9, float(frame[f"low_{unit}"].max()))
    high = float(frame[f"high_{unit}"].max())
    low = min(max(low, float(frame[unit].min()) / 2), high / 1.2)
    scale = alt.Scale(type="log", domain=[low, high * (high / low) ** room], nice=False, clamp=True)
    return scale, log_axis(low, high)
