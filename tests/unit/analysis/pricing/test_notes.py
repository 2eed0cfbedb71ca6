"""What is said beside a comparison of list prices, and only where it applies."""

import pytest

from analysis.pricing.notes import price_notes
from analysis.pricing.snapshot import newest_snapshot
from stacks.machines.machine_series import ALL_SERIES, CustomTypes

CUSTOM, PREDEFINED = ("8cpu-16gb", "e2-custom-8-16384"), ("8cpu-64gb", "e2-highmem-8")


def test_custom_types_beside_predefined_ones_of_their_series_are_said_to_cost_more():
    (note,) = price_notes([CUSTOM, PREDEFINED, ("4cpu-8gb", "e2-custom-4-8192")])
    assert note == (
        "A vCPU or a GB of E2's custom types (8cpu-16gb, 4cpu-8gb) costs 5 % more than one of its predefined types"
        " (8cpu-64gb)"
    )


@pytest.mark.parametrize("one", [CUSTOM, PREDEFINED])
def test_types_of_one_kind_need_no_note(one: tuple[str, str]):
    assert price_notes([one, one]) == ()


@pytest.mark.parametrize("part", ["core", "memory"])
def test_the_premium_of_custom_types_is_that_of_the_price_list(part: str):
    (e2,) = (series for series in ALL_SERIES if series.name == "e2")
    assert isinstance(e2.custom, CustomTypes)
    custom, predefined = (newest_snapshot().price(f"{kind}-{part}", "us-central1") for kind in ("e2-custom", "e2"))
    assert not isinstance(custom, str)
    assert not isinstance(predefined, str)
    assert custom.unit_price / predefined.unit_price == pytest.approx(1 + e2.custom.dearer_percent / 100)


def test_a_discount_for_sustained_use_is_said_beside_series_that_have_none():
    n2 = ("8cpu-32gb-n2", "n2-standard-8")
    assert price_notes([n2]) == ()
    assert price_notes([n2, CUSTOM], "spot") == (), "machines on Spot get none"
    (note,) = price_notes([n2, CUSTOM])
    assert note.startswith("Prices are list prices: of N2 (8cpu-32gb-n2) Google takes up to 20 % off for machines that")


def test_a_machine_type_that_nobody_knows_any_more_is_no_error():
    assert price_notes([("old", "z9-standard-4"), CUSTOM]) == ()
