"""What searches say beside the ranking, of all variants: misses against rate, and cost against the latency limit."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from analysis.interval import has_value
from analysis.objective import Objective
from analysis.report.charts.drawing import MUTED, Chart, legend_px, log_axis, svg
from analysis.report.charts.shared_colours import behind_first, coloured, others_sentence
from analysis.report.collect import Run
from analysis.verdict.capacity import capacities
from analysis.verdict.ranking import Ranked


def misses_chart(ranking: Sequence[Ranked], runs: Sequence[Run], objective: Objective) -> Chart | None:
    """The share of misses at each Poisson rate of each search, and the share that the objective allows."""
    steps = {run.manifest.run_id: run.steps.by_rate for run in runs if run.steps}
    allowed = 1 - objective.quantile
    points = [
        # A logarithm of none does not exist: half a request is drawn.
        {"rate": step.rate_rps, "share": 100 * max(step.missed, 0.5) / step.requests, "place": place}
        for place, each in enumerate(ranking)
        for manifest in each.variant.manifests
        for step in steps.get(manifest.run_id, ())
        if step.poisson
    ]
    if not points:
        return None
    frame, names, colour = coloured(points, ranking)
    x = alt.X("rate:Q", title="requests per second", scale=alt.Scale(zero=False))
    axis = log_axis(float(frame["share"].min()), 100)
    y = alt.Y("share:Q", title="misses, % (logarithmic)", scale=alt.Scale(type="log"), axis=axis)
    limit = pd.DataFrame([{"share": 100 * allowed}])
    layers = [
        alt.Chart(limit).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=y),
        *(
            alt.Chart(part).mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, color=colour)
            for part in behind_first(frame)
        ),
    ]
    said = f"{objective.text}: at most {100 * allowed:.3g} % of the requests miss the latency limit"
    drawing = svg(
        layers,
        f"Share of misses against the rate of requests, of {len(ranking)} variants, at every step of their capacity"
        f" searches with Poisson arrivals. The objective is {said}.",
        extra_px=legend_px(names),
    )
    caption = (
        f"Late, failed and unsent requests, at each Poisson rate of the searches. Dashed: what"
        f" {objective.quantile_name} within {objective.latency_ms:g} ms allows, {100 * allowed:.3g} %."
        f" A step without a miss is drawn at half a request.{others_sentence(ranking)}"
    )
    return Chart("Misses against rate", caption, drawing, "misses-by-rate")


def limits_chart(ranking: Sequence[Ranked], runs: Sequence[Run], objective: Objective) -> Chart | None:
    """The cost of each variant at several latency limits, only where its own searches give a value."""
    costs = costs_by_limit(ranking, runs, objective)
    if not any(row["limit"] != objective.latency_ms for row in costs):
        return None
    frame, names, colour = coloured(costs, ranking)
    x = alt.X("limit:Q", title=f"latency limit of {objective.quantile_name}, ms", scale=alt.Scale(zero=False))
    y = alt.Y("usd:Q", title="USD per million predictions", scale=alt.Scale(zero=False))
    stated = pd.DataFrame([{"limit": objective.latency_ms}])
    layers = [
        alt.Chart(stated).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(x=x),
        *(
            layer
            for part in behind_first(frame)
            for layer in (
                alt.Chart(part).mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour, detail="place:N"),
                alt.Chart(part).mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, color=colour),
            )
        ),
    ]
    drawing = svg(
        layers,
        f"Cost per million predictions at capacity of {len(ranking)} variants, for latency limits of"
        f" {objective.quantile_name} around the objective's {objective.latency_ms:g} ms.",
        extra_px=legend_px(names),
    )
    caption = (
        "At capacity, from the same runs: a limit at which the searches of a variant give no value has no point."
        f" Dashed: the objective.{others_sentence(ranking)}"
    )
    return Chart("Cost against the latency limit", caption, drawing, "cost-by-limit")


def costs_by_limit(ranking: Sequence[Ranked], runs: Sequence[Run], objective: Objective) -> list[dict[str, float]]:
    """Rows of limit, usd and place. The cost at the objective is that of the ranking."""
    steps = {run.manifest.run_id: run.steps for run in runs if run.steps}
    rows = [
        {"limit": objective.latency_ms or math.nan, "usd": each.usd_per_million.value, "place": place}
        for place, each in enumerate(ranking)
        if each.usd_per_million.value is not None
    ]
    limits_ms = sorted({limit_ms for step in steps.values() for limit_ms in step.at_limits})
    for limit_ms in limits_ms:
        told = {
            each.label: [
                (manifest, steps[manifest.run_id].at_limits[limit_ms])
                for manifest in each.variant.manifests
                if manifest.run_id in steps and limit_ms in steps[manifest.run_id].at_limits
            ]
            for each in ranking
        }
        found, _ = capacities({label: said for label, said in told.items() if said}, over_cpus=True)
        rows += [
            {"limit": limit_ms, "usd": each.price.usd_per_million(rps).value, "place": place}
            for place, each in enumerate(ranking)
            if each.label in found and has_value(rps := found[each.label].rps)
        ]
    return rows
