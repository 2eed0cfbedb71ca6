"""Bills of whole nodes, and where the cheapest variant changes, against a look at every load."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.planning.fleet.bills import Offer, cheapest
from analysis.planning.fleet.sizing import Sizing
from analysis.pricing.stack_cost import serving_cost
from stacks.machines.shapes import NodeShape, ShapeSettings

MACHINES = {"small": "e2-custom-2-4096", "middle": "e2-custom-4-8192", "large": "e2-custom-8-16384"}


def offer(label: str, node_rps: float, uploaded_bytes: int = 100_000_000, **terms) -> Offer:
    shape = NodeShape.of(label, ShapeSettings(machine_type=MACHINES[label], nodes=2))
    sizing = Sizing(node_rps, None, **terms)
    return Offer(SimpleNamespace(label=label), shape, "us-central1", sizing, uploaded_bytes=uploaded_bytes)


def cheapest_at(offers, rps):
    return min(offer.bill(rps).usd_730h for offer in offers)


def test_the_bill_is_the_price_of_a_stack_with_so_many_nodes():
    one = offer("small", 10)
    bill = one.bill(95)
    shape = one.shape.model_copy(update={"nodes": 10})
    assert (bill.rps, bill.nodes) == (95, 10)
    assert bill.usd_730h == pytest.approx(730 * serving_cost(shape, "us-central1").hourly)


def test_the_bill_has_the_model_that_the_run_stored():
    two_gb, in_place = (offer("small", 10, uploaded_bytes=size) for size in (2_000_000_000, 0))
    assert two_gb.bill(95).usd_730h - in_place.bill(95).usd_730h == pytest.approx(0.04)


def test_the_steps_of_a_bill_end_where_its_nodes_are_full():
    assert [(bill.rps, bill.nodes) for bill in offer("small", 10).steps(35)] == [(10, 1), (20, 2), (30, 3), (40, 4)]
    with_room = offer("small", 10, headroom=0.25)
    assert [bill.rps for bill in with_room.steps(15)] == [8, 16]


def test_a_small_shape_is_the_cheapest_at_small_loads_and_a_better_large_one_at_others():
    offers = [offer("small", 10), offer("large", 60)]
    changes = cheapest(offers, 500)
    assert (changes[0].from_rps, changes[0].label) == (0, "small")
    assert changes[-1].label == "large"
    assert all(offers[1].bill(rps).usd_730h < offers[0].bill(rps).usd_730h for rps in (changes[-1].from_rps + 1, 499))


@given(
    rates=st.lists(st.floats(2, 80), min_size=2, max_size=3),
    headroom=st.sampled_from([0.0, 0.3]),
    zones=st.sampled_from([1, 2, 3]),
    shares=st.lists(st.floats(0.001, 0.999), min_size=5, max_size=5),
)
@settings(max_examples=60)
def test_the_curve_names_the_variant_that_a_plan_for_the_load_would_choose(rates, headroom, zones, shares):
    offers = [offer(label, rate, headroom=headroom, zones=zones) for label, rate in zip(MACHINES, rates, strict=False)]
    changes = cheapest(offers, 400)
    by_label = {each.label: each for each in offers}
    for rps in (400 * share for share in shares):
        named = [change for change in changes if change.from_rps < rps][-1].label
        assert by_label[named].bill(rps).usd_730h == pytest.approx(cheapest_at(offers, rps))


def test_a_variant_that_is_equally_cheap_does_not_take_over():
    assert [each.label for each in cheapest([offer("small", 10), offer("small", 10)], 100)] == ["small"]
