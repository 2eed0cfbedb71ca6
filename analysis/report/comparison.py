"""What the report compares of variants: ranking with intervals, front, cost by item, effects of factors, claims."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import money, number
from analysis.report.charts.breakdown import Breakdown, break_down
from analysis.report.charts.drawing import BAD, FIRST, INK, MUTED, SECOND, colours, name_axis, rows_height_px, svg
from analysis.report.charts.front import draw_front
from analysis.statistics.estimate import Estimate
from analysis.verdict.claims import Claim, claims
from analysis.verdict.effects import Effect, effects
from analysis.verdict.front import Front, front
from analysis.verdict.ranking import Meets, Ranked
from analysis.verdict.verdict import Verdict

_MEETS = {Meets.yes: "meets", Meets.unsure: "unsure", Meets.no: "misses"}
# An interval without an upper bound is drawn as far as the others reach, and open at its end.
_OPEN_END = "▸"


@dataclass(frozen=True)
class EffectRow:
    """What one factor changed between two variants, in words."""

    effect: Effect
    cost: str
    goodput: str
    p99: str


@dataclass(frozen=True)
class Comparison:
    """What the templates show of a judgement. `front` is by label, and empty where there is nothing to compare."""

    cost: Markup | None
    p99: Markup | None
    tradeoff: Markup | None
    breakdown: Breakdown | None
    front: dict[str, Front]
    effects: tuple[EffectRow, ...]
    claims: tuple[Claim, ...]


def compare(judgement: Verdict) -> Comparison:
    """Drawings only where there is something to compare."""
    found = effects(judgement.ranking)
    several = len(judgement.ranking) > 1
    stands = front(judgement.ranking)
    return Comparison(
        cost=_cost(judgement.ranking) if several else None,
        p99=_p99(judgement.ranking, judgement.objective.p99_ms) if several else None,
        tradeoff=draw_front(judgement.ranking, stands) if several else None,
        breakdown=break_down(judgement.ranking) if several else None,
        front=stands if several else {},
        effects=tuple(EffectRow(each, *(each.ratio(name).change() for name in each.after.figures)) for each in found),
        claims=claims(found) if several else (),
    )


def meets_in_words(each: Ranked) -> str:
    """Whether it meets the objective, as the tables say it."""
    return "best" if each.tied_with_best else _MEETS[each.meets]


def _cost(ranking: Sequence[Ranked]) -> Markup:
    return _bars(
        [(each, each.usd_per_million) for each in ranking],
        "USD per million good predictions",
        money,
        "Cost per million good predictions of each variant with its 95 % interval, in the order of the ranking; the "
        "numbers are in the table.",
    )


def _p99(ranking: Sequence[Ranked], limit_ms: float | None) -> Markup:
    within = "" if limit_ms is None else f" A line stands at the limit of {limit_ms:g} ms."
    return _bars(
        [(each, each.p99_ms) for each in ranking],
        "p99, ms",
        number,
        "The 99th percentile of latency of each variant with its 95 % interval, in the order of the ranking; the "
        f"numbers are in the table.{within}",
        limit_ms,
    )


def _bars(
    figures: Sequence[tuple[Ranked, Estimate]],
    title: str,
    show: Callable[[float], str],
    description: str,
    limit: float | None = None,
) -> Markup:
    """A point for each figure and a bar for its interval, in the colour of whether it keeps the limits."""
    reach = max(bound for _, each in figures for bound in (each.value, each.high, limit or 0) if math.isfinite(bound))
    frame = pd.DataFrame(
        [
            {
                "variant": each.label,
                "value": estimate.value,
                "low": estimate.low,
                "high": min(estimate.high, reach),
                "meets": _MEETS[each.meets],
                "label": show(estimate.value) + ("" if math.isfinite(estimate.high) else f" {_OPEN_END}"),
            }
            for each, estimate in figures
        ]
    )
    used = [words for words in _MEETS.values() if words in set(frame["meets"])]
    shades = dict(zip(_MEETS.values(), (FIRST, SECOND, MUTED), strict=True))
    # Room at the right for the longest label, which stands outside its bar.
    axis = alt.Axis(tickCount=4)
    x = alt.X("low:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, reach * 1.18], nice=False))
    base = alt.Chart(frame).encode(y=alt.Y("variant:N", sort=None, title=None, axis=name_axis()))
    colour = colours("meets", used, [shades[words] for words in used], symbol="circle")
    layers = [
        base.mark_bar(height=7, opacity=0.4).encode(x=x, x2="high:Q", color=colour),
        base.mark_point(filled=True, size=50, opacity=1).encode(x="value:Q", color=colour),
        base.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(x="high:Q", text="label:N"),
    ]
    if limit is not None:
        rule = alt.Chart(pd.DataFrame({"limit": [limit]})).mark_rule(color=BAD, strokeDash=[4, 3], strokeWidth=1.5)
        layers.append(rule.encode(x="limit:Q"))
    return svg(alt.layer(*layers), description, height_px=rows_height_px(len(figures)) + 24)


def ranking_row(each: Ranked) -> tuple[str, str, str]:
    """Cost, goodput and p99 of a row of the ranking, each with its interval."""
    return each.usd_per_million.text(money), each.goodput_rps.text(number), each.p99_ms.text(number)
