"""How the answer came about: the cost of each variant after each of its searches."""

import pytest

from analysis.objective import Asked
from analysis.report.charts.race import costs_by_run, race_chart
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.stores.synthetic import make_search, write_run


def searched(store: ResultsStore, *orders: tuple[int, int]) -> None:
    """A search of the variant with so many inter_op threads, in this order, each on a deployment of its own."""
    for at, (threads, rate_rps) in enumerate(orders):
        manifest, rows = make_search(rate_rps, at)
        serving = manifest.serving.model_copy(update={"inter_op": threads})
        write_run(store, manifest.model_copy(update={"serving": serving, "deployment": f"d{at:011x}"}), rows)


def test_each_search_is_a_point_and_the_last_of_each_variant_is_its_figure_in_the_ranking(store):
    searched(store, (1, 50), (2, 80), (1, 52), (2, 78), (2, 81))
    ranking = read_verdict(store, Asked()).ranking
    costs = costs_by_run(ranking)
    assert [row["run"] for row in costs] == [1, 2, 3, 4, 5]
    assert [ranking[int(row["place"])].variant.newest.serving.inter_op for row in costs] == [1, 2, 1, 2, 2]
    best = ranking[0].usd_per_million
    assert (costs[-1]["usd"], costs[-1]["low"], costs[-1]["high"]) == pytest.approx((best.value, best.low, best.high))
    # With the first two searches alone, each interval is wider than with all of them.
    assert costs[1]["high"] / costs[1]["low"] > costs[-1]["high"] / costs[-1]["low"]


def test_it_is_drawn_once_a_variant_was_searched_again(store):
    searched(store, (1, 50), (2, 80))
    assert race_chart(read_verdict(store, Asked()).ranking) is None
    searched(store, (1, 51), (2, 79))
    chart = race_chart(read_verdict(store, Asked()).ranking)
    assert chart is not None
    assert all(each.label in str(chart.svg) for each in read_verdict(store, Asked()).ranking)


def test_a_variant_alone_has_no_race(store):
    searched(store, (1, 50), (1, 52))
    assert race_chart(read_verdict(store, Asked()).ranking) is None
