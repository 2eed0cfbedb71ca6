"""The chart and the table of bills say what the offers say."""

import re
from types import SimpleNamespace

import pytest

from analysis.formatting import money, number
from analysis.planning.fleet.bills import Offer, cheapest
from analysis.planning.fleet.sizing import Sizing
from analysis.report.charts.bills import bills_chart, bills_table
from stacks.machines.shapes import NodeShape, ShapeSettings


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


def test_variants_with_the_same_bill_are_said_to_cost_the_same():
    caption = bills_chart([offer("one", 8, 60), offer("other", 8, 60), offer("dear", 8, 30)], 500).caption
    assert "one and other, which cost the same, are the cheapest at every load." in caption
    assert "is the cheapest" not in caption


def test_a_variant_with_the_same_bill_at_some_loads_is_named():
    caption = bills_chart([offer("one", 8, 60), offer("other", 8, 55)], 500).caption
    assert "one is the cheapest at every load. other: the same bill at some loads." in caption


def test_the_smallest_bill_at_each_load_is_marked(offers):
    table = bills_table(offers, 500)
    small, large = table.rows
    assert [cell.startswith("* ") for cell in large[1:]] == [not cell.startswith("* ") for cell in small[1:]]
    assert large[-1].startswith("* ")


def test_the_loads_where_the_cheapest_changes_are_rings(offers):
    chart = bills_chart(offers, 500)
    changes = len(cheapest(offers, 500)) - 1
    assert changes
    assert chart.svg.count('stroke="var(--ink)" stroke-width="1.4"') == changes
    assert "Rings: where the cheapest changes." in chart.caption


def test_the_legend_of_four_long_names_lies_within_the_drawing():
    names = [f"8cpu-16gb · interop{threads}-batch-grpc" for threads in (1, 2, 4, 8)]
    svg = str(bills_chart([offer(name, 8, 50 + at) for at, name in enumerate(names)], 500).svg)
    width, _ = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    drawn = legend_ends(svg)
    assert {name for name, _ in drawn} == set(names)
    assert max(end for _, end in drawn) <= width
    # Nor does one of them lie on another.
    assert len({start for start, _ in positions(svg)}) == len(names)


def positions(svg):
    """The place of each label of the legend, from the translations that it is within, and the label."""
    found, at = [], []
    for tag, x, y, text in re.findall(
        r'<(/?g|text)[^>]*?(?:transform="translate\(([-\d.]+),([-\d.]+)\)[^"]*"[^>]*)?>([^<]*)', svg
    ):
        if tag == "g":
            at.append((float(x or 0), float(y or 0)))
        elif tag == "/g":
            at.pop()
        elif "interop" in text:
            place = tuple(sum(each) for each in zip(*at, (float(x or 0), float(y or 0)), strict=True))
            found.append((place, text))
    return found


def legend_ends(svg):
    """Each label of the legend with its right end, for letters that are 0.6 of 12 px wide."""
    return [(text, x + len(text) * 7.2) for (x, _), text in positions(svg)]
