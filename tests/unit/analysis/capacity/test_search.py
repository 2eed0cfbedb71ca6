"""The capacity by the steps of a search, whatever the objective."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.capacity.misses import judged
from analysis.capacity.requests import OfferedRate
from analysis.capacity.search import estimate_of
from analysis.interval import Interval
from analysis.objective import Objective
from bench.servers.simulated_server import ServerModel, true_capacity_rps
from loadtest.generator.loops.arrivals import CONSTANT
from tests.unit.analysis.capacity.played import CAPACITY_RPS, OBJECTIVE, offered


@pytest.fixture(scope="module")
def steps() -> list[OfferedRate]:
    return [
        offered(85, 20, 1, CONSTANT),
        *(offered(rate_rps, 60, int(rate_rps)) for rate_rps in (25, 50, 60, 65, 68, 72, 76)),
    ]


@settings(max_examples=25)
@given(st.floats(0.5, 0.999), st.floats(1, 3000), st.floats(0, 0.5))
def test_any_objective_has_an_interval_that_holds_its_value(
    steps: list[OfferedRate], quantile: float, latency_ms: float, errors: float
) -> None:
    found = estimate_of(steps, Objective(quantile=quantile, latency_ms=latency_ms, errors=errors))
    assert 0 <= found.low <= found.high
    if found.value is not None:
        assert 0 < found.low <= found.value <= found.high < math.inf


def test_a_looser_objective_has_no_lower_capacity(steps: list[OfferedRate]) -> None:
    by_latency = [estimate_of(steps, OBJECTIVE.model_copy(update={"latency_ms": ms})) for ms in (120, 160, 200, 240)]
    values = [each.value for each in by_latency if each.value is not None]
    assert len(values) == 4
    assert values == sorted(values)


def test_the_order_of_the_steps_does_not_matter(steps: list[OfferedRate]) -> None:
    assert _rounded(estimate_of(steps, OBJECTIVE)) == _rounded(estimate_of(steps[::-1], OBJECTIVE))


def test_without_a_rate_that_certainly_meets_there_is_no_value() -> None:
    """Of a server that answers 8 % late at any rate, where 5 % may be; misses at each rate are as many by chance."""
    late = [
        OfferedRate(each.rate_rps, each.poisson, each.offsets_s, np.where(draws < 0.08, 1.0, 0.02))
        for each in (offered(rate_rps, 60, int(rate_rps)) for rate_rps in (20, 40, 50))
        for draws in [np.random.default_rng(int(each.rate_rps)).random(each.offsets_s.size)]
    ]
    found = estimate_of(late, OBJECTIVE)
    assert (found.value, found.low) == (None, 0.0)
    assert found.high <= 40


def test_a_rate_that_fails_with_even_arrivals_bounds_the_interval(steps: list[OfferedRate]) -> None:
    even, kept = steps[0], offered(50, 60, 3)
    assert estimate_of([even, kept], OBJECTIVE).high <= 85
    assert estimate_of([kept], OBJECTIVE) == Interval(None, 50, math.inf)


def test_late_answers_of_the_first_seconds_are_no_proof(steps: list[OfferedRate]) -> None:
    offsets_s = np.arange(0, 1.9, 0.02)
    response_s = np.where(np.arange(offsets_s.size) % 5 == 0, 0.5, 0.05)
    slow_spell = OfferedRate(50, poisson=False, offsets_s=offsets_s, response_s=response_s)
    assert estimate_of([slow_spell, *steps[1:]], OBJECTIVE) == estimate_of(steps[1:], OBJECTIVE)


def test_a_nearly_saturated_queue_is_as_steep_as_its_bursts_are_long() -> None:
    """Eight workers that are busy for 96 % of the time: a miss depends on what came seconds before it."""
    server = ServerModel(replicas=1, workers=8, service_s=0.08, service_cv=0.5)
    objective = Objective(quantile=0.9, latency_ms=400, errors=0.001)
    capacity_rps = true_capacity_rps(server, 0.9, 0.4, 1_000_000)
    found = []
    for seed in range(10):
        rates = [share * capacity_rps for share in (0.96, 1.02, 0.98, 1.0, 1.04)]
        steps = [offered(rate_rps, 25, 10 * seed + n, server=server) for n, rate_rps in enumerate(rates)]
        found.append(estimate_of(steps, objective))
    assert sum(each.low <= capacity_rps <= each.high for each in found) >= 9
    assert np.median([each.high / each.low for each in found]) < 1.25


def test_more_requests_make_the_interval_narrower() -> None:
    widths = [estimate_of([offered(66, seconds, 1), offered(70, seconds, 2)], OBJECTIVE) for seconds in (20, 100, 500)]
    ratios = [width.high / width.low for width in widths]
    assert ratios == sorted(ratios, reverse=True)
    assert widths[-1].value == pytest.approx(CAPACITY_RPS, rel=0.03)


def test_one_slow_spell_at_a_low_rate_says_nothing_of_higher_rates() -> None:
    """A server that paused in the lowest step, and kept the objective at all others."""
    paused, *others = (offered(rate_rps, 15, int(rate_rps)) for rate_rps in (40, 46, 53, 61))
    late = (paused.offsets_s > 8) & (paused.offsets_s < 9.5)
    slow = OfferedRate(40, paused.poisson, paused.offsets_s, np.where(late, 9.7 - paused.offsets_s, paused.response_s))
    (judged_slow,) = judged([slow], OBJECTIVE)
    assert judged_slow.missed.mean() > 1 - OBJECTIVE.quantile
    even = offered(120, 5, 2, CONSTANT)
    found = estimate_of([even, slow, *others], OBJECTIVE)
    assert (found.value, found.high) == (None, 120)


def test_failed_requests_limit_the_capacity_where_they_are_more_than_the_objective_allows() -> None:
    server = ServerModel(1, 4, 0.05, 0.5, queue=4)
    # By a simulation of a million requests, to 1 %: the rate with one refusal in a hundred.
    capacity_rps = true_capacity_rps(server, 0.95, 0.2, 10_000_000, errors=0.01)
    rates = [offered(rate_rps, 200, n, server=server) for n, rate_rps in enumerate((46, 50, 55, 60, 66))]
    found = estimate_of(rates, OBJECTIVE)
    assert found.low <= capacity_rps <= found.high
    assert found.value == pytest.approx(capacity_rps, rel=0.05)
    without = estimate_of(rates, OBJECTIVE.model_copy(update={"errors": 0.5}))
    assert without.value is None or without.value > 1.1 * found.value


def test_a_failed_request_by_chance_does_not_limit_the_capacity(steps: list[OfferedRate]) -> None:
    *others, last = steps
    response_s = last.response_s.copy()
    response_s[last.offsets_s.size // 2] = np.inf
    failed = OfferedRate(last.rate_rps, last.poisson, last.offsets_s, response_s)
    strict = OBJECTIVE.model_copy(update={"errors": 0.001})
    assert estimate_of([*others, failed], strict).value == pytest.approx(estimate_of(steps, strict).value, rel=0.02)


def test_where_every_rate_fails_too_often_there_is_no_value() -> None:
    broken = [
        OfferedRate(
            each.rate_rps,
            each.poisson,
            each.offsets_s,
            np.where(np.arange(each.offsets_s.size) % 20 == 0, np.inf, 0.05),
        )
        for each in (offered(rate_rps, 60, 1) for rate_rps in (40, 50))
    ]
    assert estimate_of(broken, OBJECTIVE) == Interval(None, 0.0, 40)


def _rounded(found: Interval[float | None]) -> tuple[float, ...]:
    return tuple(round(each, 6) for each in (found.value or 0, found.low, found.high))
