"""Misses against rate and cost against the latency limit, of all variants in one chart each."""

import re
from itertools import pairwise

import pytest

from analysis.objective import Asked
from analysis.report.charts.objectives import costs_by_limit, limits_chart, misses_chart
from analysis.report.collect import collect
from analysis.report.search_steps import LIMITS
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.fleets import truth
from bench.fleets.searches import searched_run
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES


@pytest.fixture
def findings(tmp_path):
    """Searches of a server with a queue, in which a longer limit allows a higher rate, at two sizes."""
    store = ResultsStore(str(tmp_path / "results"))
    for at, workers in enumerate((2, 3)):
        searched_run(store, truth.Server(workers, truth.steady(80)), 2, 300, seed=at, stack=f"stack-{workers}")
    return store, collect(store, Asked())


def test_a_longer_limit_costs_no_more_and_each_cost_is_that_of_the_verdict_at_the_limit(findings):
    store, found = findings
    objective, ranking = found.verdict.objective, found.verdict.ranking
    chart = limits_chart(ranking, found.ranked, objective)
    assert "Dashed: the objective." in chart.caption
    costs = costs_by_limit(ranking, found.ranked, objective)
    for place, each in enumerate(ranking):
        own = sorted((row["limit"], row["usd"]) for row in costs if row["place"] == place)
        assert len(own) > 3
        assert all(dear >= cheap * 0.97 for (_, dear), (_, cheap) in pairwise(own))
        for limit_ms, usd in own:
            at_limit = read_verdict(store, objective.model_copy(update={"latency_ms": limit_ms})).ranking
            [same] = [other for other in at_limit if other.label == each.label]
            assert usd == pytest.approx(same.usd_per_million.value)
    assert {row["limit"] for row in costs} <= {300 * factor for factor in (*LIMITS, 1)}


def test_every_variant_has_its_misses_in_one_chart(findings):
    _, found = findings
    chart = misses_chart(found.verdict.ranking, found.ranked, found.verdict.objective)
    steps = sum(len(run.steps.by_rate) for run in found.ranked)
    # A point for each step, and one for each name of the legend.
    assert len(re.findall(r"<path [^>]*fill=\"var\(--series", str(chart.svg))) == steps + 2
    assert "Dashed: what p99 within 300 ms allows, 1 %." in chart.caption
    assert all(each.label in str(chart.svg) for each in found.verdict.ranking)


def test_of_many_variants_the_first_three_have_a_colour_and_the_others_share_one(store):
    for at, threads in enumerate((1, 2, 3, 4, 5)):
        manifest, rows = make_search(60 + at, at, 2000)
        serving = manifest.serving.model_copy(update={"inter_op": threads})
        write_run(store, manifest.model_copy(update={"serving": serving}), rows)
    found = collect(store, Asked())
    chart = misses_chart(found.verdict.ranking, found.ranked, found.verdict.objective)
    assert "Grey: the 2 further variants of the ranking." in chart.caption
    assert "others" in str(chart.svg)


def test_without_a_search_there_is_neither_chart(store):
    smoke = PROFILES["smoke"]
    write_run(store, make_manifest(smoke), make_rows(smoke, Server(30, service_ms=20)))
    found = collect(store, Asked())
    assert misses_chart((), found.runs, found.verdict.objective) is None
    assert limits_chart((), found.runs, found.verdict.objective) is None
