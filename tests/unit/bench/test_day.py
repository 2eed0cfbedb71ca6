"""The simulated day of `make bench-day`, where its answer is known, and how a forecast is graded against it."""

import math

import numpy as np
import pytest

from bench import day
from bench.fleets.autoscaled import Curve, Day, PlayedDay, Service, Settings

# Many short requests, so that chance moves the utilisation of 15 s by 2 %.
SERVICE = Service(workers=2, mean_s=0.02, cv=0.3)
# 70 % of the rate that saturates a node.
NODE_RPS = 70.0
DURATION_S = 900.0


def played(rates: list[float], seed: int = 1, latency_s: float = 1.0, **changes) -> PlayedDay:
    options = {"target_percent": 60, "requested_cores": 2.0, "fewest": 1, "node_start_s": 60.0, "pod_start_s": 20.0}
    settings = Settings(**options | {"removal_s": 120.0} | changes)
    curve = Curve(np.arange(len(rates)) * DURATION_S / len(rates), np.array(rates), DURATION_S)
    return Day(curve, SERVICE, NODE_RPS, settings, np.random.default_rng(seed)).play(latency_s)


def test_a_constant_load_keeps_the_nodes_that_it_began_with():
    # 240 requests/s are 60 % of the CPU of four nodes.
    found = played([240, 240])
    assert found.node_s == 4 * DURATION_S
    assert found.requests == pytest.approx(240 * DURATION_S, rel=0.02)
    assert found.in_overload == 0


def test_the_share_that_the_objective_allows_is_late_at_the_capacity():
    latency_s = SERVICE.latency_s(NODE_RPS, 0.99, np.random.default_rng(1))
    found = played([4 * NODE_RPS] * 2, latency_s=latency_s, target_percent=72)
    assert found.node_s == 4 * DURATION_S
    assert found.late / found.requests == pytest.approx(0.01, abs=0.003)


def test_a_rise_adds_nodes_after_their_start_and_is_overload_until_then():
    soon, late = (played([40, 40, 200, 200, 200, 200], node_start_s=start_s) for start_s in (30.0, 300.0))
    assert soon.node_s > 2 * DURATION_S
    assert 0 < soon.in_overload < late.in_overload


def test_nodes_that_are_not_needed_are_billed_until_they_are_removed():
    soon, late = (played([240, 30, 30, 30], removal_s=removal_s) for removal_s in (30.0, 300.0))
    assert soon.node_s < late.node_s <= 4 * DURATION_S


def test_thinned_arrivals_follow_the_curve():
    curve = Curve(np.array([0.0, 500.0]), np.array([100.0, 20.0]), 1000.0)
    arrivals_s = curve.arrivals_s(np.random.default_rng(2))
    counts, _ = np.histogram(arrivals_s, bins=4, range=(0, 1000))
    assert counts == pytest.approx([20_000, 10_000, 10_000, 20_000], rel=0.04)


def test_a_forecast_is_graded_by_the_bill_and_by_the_overload():
    rng = np.random.default_rng(1)
    scenario = day.drawn(rng, 100_000)
    node_s = 10 * scenario.duration_s
    simulated_usd = (0.1 + 0.3 * 10) * scenario.duration_s / 3600
    graded = [
        day.Graded(
            scenario, 1.02 * simulated_usd, 0.008, PlayedDay(node_s, 1000, 6, 3), PlayedDay(1.01 * node_s, 1000, 6, 3)
        ),
        day.Graded(
            scenario,
            0.90 * simulated_usd,
            0.002,
            PlayedDay(node_s, 1000, 12, 20),
            PlayedDay(1.2 * node_s, 1000, 12, 20),
        ),
        day.Graded(scenario, None, math.nan, None, None),
    ]
    found = {figure.name: figure.value for figure in day.figures(graded)}
    assert found["days without an autoscaled fleet that keeps the share"] == 1
    assert found["days whose bill is within 3 %"] == 1
    assert found["days whose bill, simulated again, is within 3 % of it"] == 1
    assert found["worst error of the bill"] == pytest.approx(10)
    assert found["days with no more overload than forecast"] == 1
    assert found["most overload above the forecast"] == pytest.approx(1.0)
    assert found["days whose overload is at most 1 %"] == 1
    assert found["days with at most 1 % of late requests"] == 1


def test_a_day_is_forecast_and_played():
    graded = day.grade(100_000, seed=2)
    assert graded.usd is not None
    assert abs(graded.error) < 0.2
