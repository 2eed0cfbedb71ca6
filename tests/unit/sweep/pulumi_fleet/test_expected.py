"""What is known of a stack before it is made."""

from dataclasses import replace

import pytest

from analysis.pricing.stack_cost import kept_cost, load_cost
from stacks.files import load_config, load_settings, stack_names
from stacks.server.models import RESNET50
from sweep.fleet import LastingError
from sweep.pulumi_fleet.expected import expected_of


@pytest.mark.parametrize("stack", stack_names())
def test_figures_use_the_price_of_serving_alone(stack: str) -> None:
    settings = load_settings(stack)
    kept = kept_cost(settings.platform, settings.node_shape(stack), "us-central1", RESNET50.size_bytes)
    assert expected_of(stack).usd_hourly == kept.hourly


def test_a_cluster_is_billed_with_the_nodes_of_the_load_test() -> None:
    settings, expected = load_settings("8cpu-16gb"), expected_of("8cpu-16gb")
    test = load_cost(settings.load_shape, settings.region).hourly
    assert test
    assert expected.usd_hourly
    assert expected.billed_usd_hourly == pytest.approx(expected.usd_hourly + test)


@pytest.mark.parametrize("stack", ["local", "kubernetes"])
def test_machines_that_are_there_already_are_not_billed(stack: str) -> None:
    assert expected_of(stack).billed_usd_hourly == 0
    assert expected_of(stack).usd_hourly


def test_a_stack_without_a_file_is_an_error_that_names_those_that_have_one() -> None:
    with pytest.raises(LastingError, match=r"no stack 'of-nobody'.*8cpu-16gb"):
        expected_of("of-nobody")


def test_other_nodes_in_each_block_take_minutes() -> None:
    own = load_config("8cpu-16gb")
    same, fresh = (
        expected_of("8cpu-16gb", own | {"shapebench:gke": own.get("shapebench:gke", {}) | {"freshNodes": is_fresh}})
        for is_fresh in (False, True)
    )
    assert not same.fresh_nodes
    assert fresh == replace(same, update_s=same.update_s + 300, fresh_nodes=True)


def test_a_stack_whose_cpus_come_by_chance_has_other_nodes_in_each_block() -> None:
    assert expected_of("8cpu-16gb").fresh_nodes


def test_a_stack_whose_file_is_not_written_yet_is_known_by_its_configuration() -> None:
    assert expected_of("of-nobody", load_config("8cpu-16gb")) == expected_of("8cpu-16gb")
