"""The chart and the table of bills say what the offers say."""

from types import SimpleNamespace

import pytest

from analysis.formatting import money, number
from analysis.planning.bills import Offer, cheapest
from analysis.planning.sizing import Sizing
from analysis.report.charts.bills import bills_chart, bills_table
from stacks.shapes import NodeShape, ShapeSettings


def offer(label: str, vcpus: int, node_rps: float, **terms) -> Offer:
    machine_type = f"e2-custom-{vcpus}-{2048 * vcpus}"
    shape = NodeShape.of("shape", ShapeSettings(machine_type=machine_type, nodes=2))
    return Offer(SimpleNamespace(label=label), shape, "us-central1", Sizing(node_rps, None, **terms))


@pytest.fixture
def offers():
    return (offer("small", 2, 10), offer("large", 8, 60))


def test_the_chart_says_from_which_load_on_which_variant_is_the_cheapest(offers):
    chart = bills_chart(offers, 500)
    last = cheapest(offers, 500)[-1]
    assert last.label == "large"
    assert f"large is the cheapest from {number(last.from_rps)} to 500 requests/s; below that, " in chart.caption
    assert 'role="img"' in chart.svg
    assert "Monthly bill of large, small against the load" in chart.svg
    # A line for each variant, that steps.
    assert chart.svg.count('stroke-width="1.6"') == 2


def test_the_terms_of_the_fleets_are_said():
    chart = bills_chart([offer("small", 2, 10, headroom=0.3, zones=3)], 100)
    assert "with 30% of headroom, and enough without one of 3 zones" in chart.caption
    assert "small is the cheapest at every load." in chart.caption


def test_of_many_variants_the_four_cheapest_are_drawn_and_all_are_in_the_table():
    many = [offer(f"v{number}", 2, 10 + number) for number in range(6)]
    assert "The 4 cheapest of 6 variants." in bills_chart(many, 100).caption
    table = bills_table(many, 100)
    assert [row[0] for row in table.rows] == [f"v{number}" for number in range(6)]
    assert table.rows[0][-1] == f"{money(many[0].bill(100).usd_730h)} (10)"
