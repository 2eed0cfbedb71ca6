"""What the cost of each variant is made of."""

import pytest

from analysis.formatting import money, number
from analysis.objective import Asked
from analysis.pricing.stack_cost import serving_cost
from analysis.report.charts.breakdown import cost_by_item, cost_chart, cost_table
from analysis.report.collect import collect
from analysis.report.render import write_report
from analysis.verdict.verdict import read_verdict
from bench.stores.synthetic import make_search, write_run

ASKED = Asked()


@pytest.fixture
def two(store):
    """Eight small nodes and two large ones, as quick as each other."""
    for stack, machine_type, nodes in (("2cpu-4gb", "e2-custom-2-4096", 8), ("8cpu-16gb", "e2-custom-8-16384", 2)):
        write_run(store, *make_search(40, stack=stack, machine_type=machine_type, nodes=nodes))
    return store


def test_the_parts_of_a_variant_add_up_to_its_cost_in_the_ranking(two):
    verdict = read_verdict(two, ASKED)
    costs = cost_by_item(verdict.ranking)
    assert list(costs) == ["vCPUs", "memory", "boot disks", "cluster fee"]
    assert list(costs.index) == [each.label for each in verdict.ranking]
    assert list(costs.sum(axis=1)) == pytest.approx([each.usd_per_million.value for each in verdict.ranking])
    (_, large), (_, small) = costs.iterrows()
    # As many vCPUs in all at the same throughput, and four times as many disks.
    assert small["vCPUs"] == pytest.approx(large["vCPUs"], rel=0.01)
    assert small["boot disks"] == pytest.approx(4 * large["boot disks"], rel=0.01)


def test_every_part_is_a_bar_on_the_page_and_a_number_in_both_reports(two, tmp_path):
    findings = collect(two, ASKED)
    html, markdown = (path.read_text() for path in write_report(findings, tmp_path / "report"))
    ranking = findings.verdict.ranking
    drawing = str(cost_chart(ranking).svg)
    assert drawing in html
    assert "by line item (vCPUs, memory, boot disks, cluster fee)" in drawing
    for row, (label, parts), each in zip(
        cost_table(ranking).rows, cost_by_item(ranking).iterrows(), ranking, strict=True
    ):
        numbers = [money(part) for part in parts]
        assert row == (label, *numbers, money(each.usd_per_million.value), number(each.usd_hourly))
        assert f"<td>{'</td><td>'.join(numbers)}</td>" in html
        assert f"| {label} | {' | '.join(numbers)} |" in markdown


def test_items_beyond_the_colours_share_a_bar_and_have_columns_of_their_own(store):
    for nodes in (2, 4):
        manifest, rows = make_search(40, stack=f"n{nodes}", nodes=nodes)
        cost = serving_cost(manifest.shape, "us-central1")
        write_run(store, manifest.model_copy(update={"cost": cost}), rows)
    ranking = read_verdict(store, ASKED).ranking
    costs, drawing = cost_by_item(ranking), str(cost_chart(ranking).svg)
    assert len(costs.columns) == len(cost.line_items) > 4
    assert drawing.count(">other<") == 1
    assert drawing.count(">cluster fee<") == 0
    assert list(costs.sum(axis=1)) == pytest.approx([each.usd_per_million.value for each in ranking])


def test_one_variant_has_no_breakdown(store, tmp_path):
    write_run(store, *make_search(40))
    html, markdown = write_report(collect(store, ASKED), tmp_path / "report")
    assert "Cost by line item" not in html.read_text()
    assert "by line item" not in markdown.read_text()
