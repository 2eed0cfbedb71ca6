"""Estimated costs of shapes that were worked out by hand."""

import math

import pytest

from analysis.estimate.fitting import Basis
from analysis.estimate.ranking import Candidate, Capacity, Estimated, rank
from analysis.estimate.speeds import SeriesSpeed
from analysis.interval import Interval
from stacks.machines.shapes import NodeShape, ShapeSettings

SCATTER = 0.1
PER_CORE = {"n4d": 1.0, "c4d": 1.0, "t2d": 0.5, "e2": 0.25}
CPUS = {"n4d": ("9B45",), "c4d": ("9B45",), "t2d": ("7B13",), "e2": ("slow", "fast")}


def candidate(machine_type: str, nodes: int, usd_hourly: float) -> Candidate:
    shape = NodeShape.of(f"{nodes}x{machine_type}", ShapeSettings(machine_type=machine_type, nodes=nodes))
    name = shape.series.name
    speed = SeriesSpeed(name, CPUS[name], math.log(PER_CORE[name]), Basis.measured, 0.0, 0.3)
    return Candidate(shape, usd_hourly, speed)


# A core of N4D is twice one of T2D, of which 8 vCPUs are 8 cores and not 4: both shapes do the same.
N4D = candidate("n4d-highcpu-8", 2, 1.0)
C4D = candidate("c4d-highcpu-8", 2, 1.5)
T2D = candidate("t2d-standard-8", 2, 2.0)
E2 = candidate("e2-highcpu-16", 1, 0.5)


def by_name(ranking: tuple[Estimated, ...]) -> dict[str, Estimated]:
    return {each.candidate.shape.name: each for each in ranking}


def sd(interval: Interval[float]) -> float:
    """Half of a 95 % interval is 1.96 standard deviations."""
    assert math.log(interval.value / interval.low) == pytest.approx(math.log(interval.high / interval.value))
    return math.log(interval.high / interval.value) / 1.959964


def test_the_cheapest_is_first_and_the_others_are_multiples_of_it():
    ranking = rank([T2D, E2, C4D, N4D], SCATTER)
    # USD by cores times speed: 1 / 8, 1.5 / 8, 2 / 8, 0.5 / 2.
    assert [each.candidate.shape.name for each in ranking[:2]] == ["2xn4d-highcpu-8", "2xc4d-highcpu-8"]
    assert [each.relative_cost.value for each in ranking] == pytest.approx([1, 1.5, 2, 2])
    assert all(each.scaled is None for each in ranking)


def test_the_range_counts_what_the_shape_and_the_cheapest_do_not_share():
    found = by_name(rank([T2D, C4D, N4D], SCATTER))
    assert sd(found["2xn4d-highcpu-8"].relative_cost) == 0
    assert sd(found["2xc4d-highcpu-8"].relative_cost) == pytest.approx(math.hypot(SCATTER, SCATTER), rel=1e-4)
    assert sd(found["2xt2d-standard-8"].relative_cost) == pytest.approx(
        math.hypot(0.3, 0.3, SCATTER, SCATTER), rel=1e-4
    )


def test_other_numbers_of_nodes_of_one_machine_type_differ_by_their_price_alone():
    more = candidate("n4d-highcpu-8", 4, 1.8)
    ranking = rank([N4D, more], SCATTER)
    assert [each.relative_cost.value for each in ranking] == pytest.approx([1, 1 / 0.9])
    assert sd(ranking[1].relative_cost) == 0


def measured(candidate: Candidate, rps: float, instances: float = 1, half: float = 0.0) -> Capacity:
    return Capacity(
        candidate, Interval(rps, rps * math.exp(-1.959964 * half), rps * math.exp(1.959964 * half)), instances
    )


def test_a_measured_capacity_gives_requests_per_second_and_dollars():
    found = by_name(rank([N4D, T2D, E2], SCATTER, [measured(N4D, 100)]))
    n4d, t2d, e2 = (found[name].scaled for name in ("2xn4d-highcpu-8", "2xt2d-standard-8", "1xe2-highcpu-16"))
    assert n4d is not None
    assert t2d is not None
    assert e2 is not None
    assert (n4d.rps.value, t2d.rps.value, e2.rps.value) == pytest.approx((100, 100, 25))
    # 1 USD for 360,000 requests, 2 USD for as many, and 0.5 USD for 90,000.
    assert n4d.usd_per_million.value == pytest.approx(2.777778)
    assert t2d.usd_per_million.value == pytest.approx(5.555556)
    assert e2.usd_per_million.value == pytest.approx(5.555556)
    assert found["2xt2d-standard-8"].relative_cost.value == pytest.approx(2)


def test_a_request_of_two_predictions_halves_the_cost_of_one():
    (estimated,) = rank([N4D], SCATTER, [measured(N4D, 100, instances=2)])
    assert estimated.scaled
    assert estimated.scaled.usd_per_million.value == pytest.approx(2.777778 / 2)


def test_the_range_of_what_was_measured_is_that_of_the_measurement():
    found = by_name(rank([N4D, T2D], SCATTER, [measured(N4D, 100, half=0.04)]))
    n4d, t2d = found["2xn4d-highcpu-8"].scaled, found["2xt2d-standard-8"].scaled
    assert n4d is not None
    assert t2d is not None
    assert sd(n4d.rps) == pytest.approx(0.04, rel=1e-4)
    assert sd(n4d.usd_per_million) == pytest.approx(0.04, rel=1e-4)
    assert sd(t2d.rps) == pytest.approx(math.hypot(0.3, 0.3, SCATTER, SCATTER, 0.04), rel=1e-4)


def test_each_shape_is_scaled_from_the_measured_one_that_says_most_of_it():
    # T2D has a fifth of the capacity that its benchmark says by N4D's; a C4D has N4D's CPU.
    ranking = rank([N4D, C4D, T2D], SCATTER, [measured(T2D, 20, half=0.01), measured(N4D, 100, half=0.05)])
    of = {name: each.scaled.of.candidate for name, each in by_name(ranking).items() if each.scaled}
    assert of == {"2xn4d-highcpu-8": N4D, "2xc4d-highcpu-8": N4D, "2xt2d-standard-8": T2D}
    assert by_name(ranking)["2xt2d-standard-8"].relative_cost.value == pytest.approx(10)
    # Both were measured, which says more of their ratio than the benchmark.
    assert sd(by_name(ranking)["2xt2d-standard-8"].relative_cost) == pytest.approx(math.hypot(0.01, 0.05), rel=1e-4)


def test_nothing_is_ranked_where_there_is_nothing():
    assert rank([], SCATTER) == ()
