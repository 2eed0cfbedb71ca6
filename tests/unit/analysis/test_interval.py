"""A figure with its interval, or with the bounds that are known of it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.interval import Interval, has_value

POSITIVE = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(2.0, 1.0, 3.0), "2 (1 to 3)"),
        (Interval(2.0, 1.0), "2 (1 to no upper bound)"),
        (Interval(None, 1.0, 3.0), "1 to 3"),
        (Interval(None, 1.0), "at least 1"),
        (Interval(None, high=3.0), "at most 3"),
        (Interval(None), "not known"),
    ],
)
def test_its_text_says_what_is_known(interval: Interval[float | None], text: str) -> None:
    assert interval.text(lambda figure: f"{figure:g}") == text
    assert has_value(interval) == (interval.value is not None)


@given(st.none() | POSITIVE, POSITIVE, POSITIVE)
def test_what_is_divided_twice_is_as_before(value: float | None, low: float, high: float) -> None:
    interval = Interval(value, min(low, high), max(low, high))
    again = interval.divides(7.0).divides(7.0)
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high))
    assert again.value == (None if value is None else pytest.approx(value))


def test_no_bound_stays_none_when_it_is_divided_or_multiplied() -> None:
    unbounded = Interval(None)
    assert unbounded.divides(3.0) == unbounded == unbounded.times(3.0)
    assert Interval(2.0, high=3.0).divides(6.0) == Interval(3.0, 2.0, math.inf)


def test_json_has_no_infinity() -> None:
    assert json.loads(json.dumps(Interval(2.0).to_dict(), allow_nan=False)) == {"value": 2.0, "low": 0.0, "high": None}


def test_the_ends_have_distances_from_the_value_alone() -> None:
    assert (Interval(2.0, 1.0, 8.0).log_below, Interval(2.0, 1.0, 8.0).log_above) == (math.log(2), math.log(4))
    assert (Interval(2.0).log_below, Interval(2.0).log_above) == (math.inf, math.inf)
