"""Ranking by the Spot price: the same runs, another order, and what is not counted."""

import pytest

from analysis.objective import Objective
from analysis.pricing.cost import nodes_hourly
from analysis.results.storage.store import ResultsStore
from analysis.verdict.text import paragraph
from analysis.verdict.verdict import Verdict, read_verdict
from bench.stores.synthetic import make_search, write_run

ASKED = Objective(latency_ms=500)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ResultsStore:
    """N4 serves a tenth more than C3D for 2 % more on demand, and on Spot for twice as much; E2 is custom."""
    found = ResultsStore(str(tmp_path_factory.mktemp("spot") / "results"))
    shapes = (("n4", "n4-highcpu-8", 66.0), ("c3d", "c3d-highcpu-8", 60.0), ("e2", "e2-custom-8-16384", 50.0))
    for stack, machine_type, rps in shapes:
        for seed in (1, 2):  # so few that this process reads them
            fields = {"stack": stack, "machine_type": machine_type, "nodes": 2, "deployment": f"d{seed:011x}"}
            write_run(found, *make_search(rps, seed, platform="gke", **fields))
    return found


@pytest.fixture(scope="module")
def spot(store: ResultsStore) -> Verdict:
    return read_verdict(store, ASKED, "spot")


def stacks(verdict: Verdict) -> list[str]:
    return [each.variant.newest.stack for each in verdict.ranking]


def test_the_order_is_that_of_the_spot_prices(store: ResultsStore, spot: Verdict) -> None:
    on_demand = read_verdict(store, ASKED)
    assert [stack for stack in stacks(on_demand) if stack != "e2"] == ["n4", "c3d"]
    assert stacks(spot) == ["c3d", "n4"]
    # USD for 24 hours of 16 vCPUs and 32 GB on Spot in us-central1, 2026-08, from public lists.
    days = {each.variant.newest.stack: 24 * (nodes_hourly(each.variant.newest.cost) or 0) for each in spot.ranking}
    assert days == pytest.approx({"c3d": 3.21, "n4": 7.2}, rel=0.02)


def test_a_type_without_a_spot_price_is_not_ranked_with_the_reason(spot: Verdict) -> None:
    reasons = {reason for manifest, reasons in spot.excluded if manifest.stack == "e2" for reason in reasons}
    (reason,) = reasons
    assert "no price is known for serving nodes: vCPUs, serving nodes: memory in us-central1" in reason
    assert reason.endswith("so its cost at spot prices is not known; `shapebench price --refresh` gets today's prices")


def test_the_answer_says_that_no_interruption_is_counted_and_on_demand_says_nothing_of_it(
    store: ResultsStore, spot: Verdict
) -> None:
    said = "The nodes are priced at spot prices of 20"
    assert said in paragraph(spot)
    assert "no interruption is counted: Google takes such nodes back" in paragraph(spot)
    assert said not in paragraph(read_verdict(store, ASKED))
