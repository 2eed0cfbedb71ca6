"""The load of each repeat."""

import pytest

from loadtest.generator.plan import CapacitySearchPlan, LoadPlan, OpenLoopPlan, load_plan, repeat_of
from stacks.load_profiles import PROFILES


@pytest.mark.parametrize("profile", ["open", "capacity"])
def test_each_repeat_and_each_rerun_has_arrivals_of_its_own(profile: str) -> None:
    load = load_plan(PROFILES[profile].model_dump())
    assert repeat_of(load, 1, "") == load
    seeds = [_seed(repeat_of(load, index, rerun)) for index in (1, 2, 3) for rerun in ("", "2", "after the fix")]
    assert len(set(seeds)) == 9


def test_the_same_repeat_has_the_same_arrivals_whatever_the_variant() -> None:
    load = load_plan(PROFILES["open"].model_dump())
    assert repeat_of(load, 3, "x") == repeat_of(load, 3, "x")


def test_a_closed_loop_is_the_same_in_each_repeat() -> None:
    load = load_plan(PROFILES["seed"].model_dump())
    assert repeat_of(load, 2, "x") == load


def _seed(load: LoadPlan) -> int:
    assert isinstance(load, OpenLoopPlan | CapacitySearchPlan)
    return load.seed
