"""The load of each repeat, and what a plan is made of."""

import math
from typing import Literal

import pytest

from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan, LoadTestPlan, OpenLoopPlan, load_plan, repeat_of
from stacks.load.load_profiles import MOST_RATES, PROFILES, OpenLoop, TrafficCurve
from tests.unit.loadtest.plans import Spike

# Linux takes no longer text for a variable of an environment (MAX_ARG_STRLEN), and the plan of a Job is one.
_LONGEST_VARIABLE = 128 * 1024


def planned(load: LoadPlan, replicas: int = 1) -> LoadTestPlan:
    return LoadTestPlan(load, "rest", "http://server", "resnet", ".", (), replicas=replicas)


@pytest.mark.parametrize("profile", ["open", "curve", "capacity"])
def test_each_repeat_and_each_rerun_has_arrivals_of_its_own(profile: str) -> None:
    load = load_plan(PROFILES[profile].plan_values)
    assert repeat_of(load, 1, "") == load
    seeds = [_seed(repeat_of(load, index, rerun)) for index in (1, 2, 3) for rerun in ("", "2", "after the fix")]
    assert len(set(seeds)) == 9


def test_the_same_repeat_has_the_same_arrivals_whatever_the_variant() -> None:
    load = load_plan(PROFILES["open"].plan_values)
    assert repeat_of(load, 3, "x") == repeat_of(load, 3, "x")


def test_a_closed_loop_is_the_same_in_each_repeat() -> None:
    load = load_plan(PROFILES["seed"].plan_values)
    assert repeat_of(load, 2, "x") == load


@pytest.mark.parametrize(
    ("profile", "replicas", "renews"),
    [("open", 2, True), ("curve", 2, True), ("capacity", 8, True), ("capacity", 1, False), ("seed", 8, False)],
)
def test_requests_of_a_schedule_for_several_replicas_have_connections_of_their_own(
    profile: str, replicas: int, *, renews: bool
) -> None:
    plan = planned(load_plan(PROFILES[profile].plan_values), replicas)
    assert plan.renews_connections is renews
    assert LoadTestPlan.from_json(plan.to_json()) == plan


def test_the_number_of_requests_in_the_hold_is_known_before_the_test() -> None:
    assert due_in_hold(CONSTANT) == 3000
    drawn = due_in_hold(POISSON)
    assert drawn == due_in_hold(POISSON)
    assert abs(drawn - 3000) < 4 * math.sqrt(3000)


def due_in_hold(arrivals: Literal["constant", "poisson"]) -> int | None:
    profile = OpenLoop(rate_rps=50, arrivals=arrivals, seed=3, max_in_flight=1, warmup_s=0, ramp_s=2, duration_s=62)
    return load_plan(profile.plan_values).due_in_hold()


def test_a_new_shape_of_load_is_only_its_segments() -> None:
    spike = Spike(rate_rps=10, arrivals="constant", seed=1, max_in_flight=50, warmup_s=2, duration_s=9)
    assert (spike.peak_rps, spike.most_requests, spike.total_s) == (30, 30 + 90 + 30 + 60, 11)
    load = load_plan(spike.plan_values)
    assert isinstance(load, OpenLoopPlan)
    due_s = [arrival.intended_start_s for arrival in load.schedule()]
    assert [sum(begin <= at_s < begin + 3 for at_s in due_s) for begin in (0, 3, 6)] == [30, 90, 30]
    assert load.due_in_hold() == 150
    assert not load.is_steady
    assert LoadTestPlan.from_json(planned(load).to_json()).load == load


def test_the_plan_of_the_longest_curve_fits_in_a_variable_of_a_job() -> None:
    rates_rps = tuple(1000 / 7 + number / 3 for number in range(MOST_RATES))
    curve = TrafficCurve(
        rates_rps=rates_rps, arrivals="poisson", seed=1, max_in_flight=9, warmup_s=20, duration_s=86_399.7
    )
    assert len(planned(load_plan(curve.plan_values)).to_json()) < _LONGEST_VARIABLE


def _seed(load: LoadPlan) -> int:
    assert isinstance(load, OpenLoopPlan | CapacitySearchPlan)
    return load.seed
