"""The load of each repeat."""

import pytest

from loadtest.generator.plan import CapacitySearchPlan, LoadPlan, LoadTestPlan, OpenLoopPlan, load_plan, repeat_of
from stacks.load.load_profiles import PROFILES


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


@pytest.mark.parametrize(
    ("profile", "replicas", "renews"),
    [("open", 2, True), ("capacity", 8, True), ("capacity", 1, False), ("seed", 8, False)],
)
def test_requests_of_a_schedule_for_several_replicas_have_connections_of_their_own(
    profile: str, replicas: int, *, renews: bool
) -> None:
    load = load_plan(PROFILES[profile].model_dump())
    plan = LoadTestPlan(load, "rest", "http://server", "resnet", ".", (), replicas=replicas)
    assert plan.renews_connections is renews
    assert LoadTestPlan.from_json(plan.to_json()) == plan


def _seed(load: LoadPlan) -> int:
    assert isinstance(load, OpenLoopPlan | CapacitySearchPlan)
    return load.seed
