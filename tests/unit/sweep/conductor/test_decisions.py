import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.interval import Interval
from analysis.statistics.estimate import usd_per_million_at
from sweep.conductor.decisions import observation
from sweep.tasks import Length, Measured

RPS = st.floats(0.1, 1e5)


def observed(value: float | None, low: float, high: float, usd_hourly: float = 1.0):
    return observation(1, 1, Length.short, Measured("r", Interval(value, low, high)), usd_hourly)


def test_a_dollar_an_hour_at_a_hundred_a_second_is_2_78_dollars_a_million() -> None:
    assert usd_per_million_at(100.0, 1.0) == pytest.approx(2.7778, abs=1e-4)


@given(value=RPS, error=st.floats(0.001, 0.5), usd_hourly=st.floats(0.01, 100))
def test_the_error_of_a_cost_is_that_of_its_capacity(value: float, error: float, usd_hourly: float) -> None:
    half = 1.959964 * error
    low, high = value * math.exp(-half), value * math.exp(half)
    for bounds in ((low, high), (low, math.inf), (0.0, high)):
        run = observed(value, *bounds, usd_hourly=usd_hourly)
        assert run
        assert run.log_error == pytest.approx(error)
        assert run.log_cost == pytest.approx(math.log(usd_per_million_at(value, usd_hourly)))
        assert not run.is_bound


def test_four_instances_in_a_request_make_the_prediction_four_times_cheaper_and_no_less_certain() -> None:
    for value, low, high in ((100.0, 95.0, 105.0), (None, 0.0, 4.0)):
        of_one = observation(1, 1, Length.short, Measured("r", Interval(value, low, high)), 1.0)
        of_four = observation(1, 1, Length.short, Measured("r", Interval(value, low, high), 4.0), 1.0)
        assert of_one
        assert of_four
        assert of_four.log_cost == pytest.approx(of_one.log_cost - math.log(4))
        assert of_four.log_error == of_one.log_error


def test_a_run_that_never_met_the_objective_gives_the_lowest_cost_that_is_possible() -> None:
    run = observed(None, 0, 4.0)
    assert run
    assert run.is_bound
    assert run.log_cost == pytest.approx(math.log(usd_per_million_at(4.0, 1.0)))


def test_a_run_with_two_bounds_and_no_value_is_taken_between_them() -> None:
    run = observed(None, 2.0, 8.0)
    assert run
    assert run.log_cost == pytest.approx(math.log(usd_per_million_at(4.0, 1.0)))


@pytest.mark.parametrize("of", [(None, 50.0, math.inf), (10.0, 0.0, math.inf), (None, 0.0, math.inf)])
def test_a_run_that_gives_no_cost_is_no_observation(of: tuple[float | None, float, float]) -> None:
    assert observed(*of) is None
