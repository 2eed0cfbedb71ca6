"""How the answer came about: the cost of each variant after each search, by all searches until then."""

from collections import defaultdict
from collections.abc import Sequence

import altair as alt

from analysis.capacity.evidence import Basis
from analysis.interval import has_value
from analysis.report.charts.drawing import Chart, legend_px, svg
from analysis.report.charts.shared_colours import behind_first, coloured, others_sentence
from analysis.verdict.capacity import Told, capacities
from analysis.verdict.ranking import Ranked


def race_chart(ranking: Sequence[Ranked]) -> Chart | None:
    """None where no variant was searched twice: then the ranking says it all."""
    costs = costs_by_run(ranking) if len(ranking) > 1 else []
    if len(costs) == len({row["place"] for row in costs}):
        return None
    frame, names, colour = coloured(costs, ranking)
    x = alt.X("run:Q", title="searches until then, of all variants", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("usd:Q", title="USD per million predictions", scale=alt.Scale(zero=False))
    layers = [
        layer
        for part in behind_first(frame)
        for layer in (
            alt.Chart(part).mark_rule(strokeWidth=0.8, opacity=1).encode(x=x, y="low:Q", y2="high:Q", color=colour),
            alt.Chart(part).mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour, detail="place:N"),
            alt.Chart(part).mark_point(filled=True, size=36, opacity=1).encode(x=x, y=y, color=colour),
        )
    ]
    drawing = svg(
        layers,
        f"Cost per million predictions at capacity of {len(ranking)} variants after each of {len(costs)} capacity"
        " searches, with 95 % intervals.",
        extra_px=legend_px(names),
    )
    caption = (
        "The mean of each variant after each of its searches, with its 95 % interval, by all searches until then."
        f" A sweep ends the line of a variant that it eliminates.{others_sentence(ranking)}"
    )
    return Chart("The race", caption, drawing, "race")


def costs_by_run(ranking: Sequence[Ranked]) -> list[dict[str, float]]:
    """Rows of run, place, usd, low and high: one for each search, numbered in the order of time."""
    searches = [
        (place, manifest, evidence)
        for place, each in enumerate(ranking)
        for manifest, evidence in zip(each.variant.manifests, each.capacity.evidence, strict=True)
        if evidence.basis is Basis.search
    ]
    rows = []
    until_then: dict[str, list[Told]] = defaultdict(list)
    for number, (place, manifest, evidence) in enumerate(sorted(searches, key=lambda search: search[1].run_id), 1):
        ranked = ranking[place]
        until_then[ranked.label].append((manifest, evidence))
        found, _ = capacities(until_then, over_cpus=True)
        cost = ranked.price.usd_per_million(found[ranked.label].rps)
        if has_value(cost):
            rows.append({"run": number, "place": place, "usd": cost.value, "low": cost.low, "high": cost.high})
    return rows
