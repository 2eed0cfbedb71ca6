"""The capacity by the steps of a search, whatever the objective."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.capacity.requests import OfferedRate
from analysis.capacity.search import CapacityEstimate, estimate_of
from analysis.objective import Objective
from loadtest.generator.loops.arrivals import CONSTANT
from tests.unit.analysis.capacity.played import CAPACITY_RPS, OBJECTIVE, offered


@pytest.fixture(scope="module")
def steps() -> list[OfferedRate]:
    return [
        offered(85, 20, 1, CONSTANT),
        *(offered(rate_rps, 60, int(rate_rps)) for rate_rps in (50, 60, 65, 68, 72, 76)),
    ]


@settings(max_examples=25)
@given(st.floats(0.5, 0.999), st.floats(1, 3000), st.floats(0, 0.5))
def test_any_objective_has_an_interval_that_holds_its_value(
    steps: list[OfferedRate], quantile: float, latency_ms: float, errors: float
) -> None:
    found = estimate_of(steps, Objective(quantile=quantile, latency_ms=latency_ms, errors=errors))
    assert 0 <= found.low_rps <= found.high_rps
    if found.value_rps is not None:
        assert 0 < found.low_rps <= found.value_rps <= found.high_rps < math.inf


def test_a_looser_objective_has_no_lower_capacity(steps: list[OfferedRate]) -> None:
    by_latency = [estimate_of(steps, OBJECTIVE.model_copy(update={"latency_ms": ms})) for ms in (120, 160, 200, 240)]
    values = [each.value_rps for each in by_latency if each.value_rps is not None]
    assert len(values) == 4
    assert values == sorted(values)


def test_the_order_of_the_steps_does_not_matter(steps: list[OfferedRate]) -> None:
    assert _rounded(estimate_of(steps, OBJECTIVE)) == _rounded(estimate_of(steps[::-1], OBJECTIVE))


def test_a_rate_that_fails_with_even_arrivals_bounds_the_interval(steps: list[OfferedRate]) -> None:
    even, kept = steps[0], offered(50, 60, 3)
    assert estimate_of([even, kept], OBJECTIVE).high_rps <= 85
    assert estimate_of([kept], OBJECTIVE) == CapacityEstimate(None, 50, math.inf)


def test_more_requests_make_the_interval_narrower() -> None:
    widths = [estimate_of([offered(66, seconds, 1), offered(70, seconds, 2)], OBJECTIVE) for seconds in (20, 100, 500)]
    ratios = [each.high_rps / each.low_rps for each in widths]
    assert ratios == sorted(ratios, reverse=True)
    assert widths[-1].value_rps == pytest.approx(CAPACITY_RPS, rel=0.03)


def _rounded(found: CapacityEstimate) -> tuple[float, ...]:
    return tuple(round(each, 6) for each in (found.value_rps or 0, found.low_rps, found.high_rps))
