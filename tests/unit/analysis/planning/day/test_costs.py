"""The bill of a day; a node carries 10 requests a second and costs a dollar an hour, unless a test says otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.objective import Asked
from analysis.planning.day import costs
from analysis.planning.day.autoscaling import Delays, Hpa, NodeLoad, scale
from analysis.planning.day.costs import Autoscaling, autoscaled_fleet, fixed_fleet, forecast_day, overloaded_share
from analysis.planning.day.traffic import interpolated_traffic, smooth_traffic
from analysis.planning.fleet.offers import Terms
from analysis.planning.fleet.sizing import Sizing
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.fleets.searches import searched_run
from bench.fleets.truth import Server, lognormal

HOUR = 3600.0
ALLOWED = 0.01
DELAYS = Delays(180, 60)
SIZING = Sizing(10)
WAVE = interpolated_traffic([(0, 200), (2 * HOUR, 1000), (4 * HOUR, 200), (6 * HOUR, 150)], 8 * HOUR)


def hourly_usd(nodes: int) -> float:
    return float(nodes)


def flat(rps: float, hours: float = 2):
    return interpolated_traffic([(0, rps), (hours * HOUR / 2, rps)], hours * HOUR)


def autoscaled(traffic, sizing=SIZING, cpu_percent=100.0, allowed=ALLOWED, delays=DELAYS, fewest=1):
    load = NodeLoad(sizing.node_rps, cpu_percent)
    return autoscaled_fleet(traffic, sizing, load, delays, fewest, hourly_usd, allowed)


@given(st.floats(1e5, 5e5), st.floats(2e3, 4e4), st.sampled_from([1, 3]), st.sampled_from([0.0, 0.3]))
@settings(max_examples=20)
def test_a_flat_day_costs_what_the_fixed_fleet_costs(rps, node_rps, zones, headroom):
    sizing = Sizing(node_rps, None, headroom, zones)
    fixed, scaled = fixed_fleet(flat(rps), sizing, hourly_usd), autoscaled(flat(rps), sizing)
    assert scaled.usd == pytest.approx(fixed.usd)
    assert (scaled.fewest, scaled.most, scaled.overloaded) == (fixed.most, fixed.most, 0)


def test_a_day_with_a_night_costs_less_with_an_autoscaled_fleet():
    fixed, scaled = fixed_fleet(WAVE, SIZING, hourly_usd), autoscaled(WAVE)
    assert (fixed.fewest, fixed.most, fixed.usd) == (100, 100, 800)
    assert scaled.usd < 0.8 * fixed.usd
    assert scaled.fewest < 30
    # No fleet carries the traffic with fewer node hours than its requests need.
    assert scaled.usd > WAVE.requests / HOUR / 10


def test_the_target_is_the_highest_that_keeps_the_share_of_requests_in_overload(monkeypatch):
    found = autoscaled(WAVE)
    assert 0 < found.overloaded <= ALLOWED
    assert 50 < found.target_percent < 100
    tighter, looser = autoscaled(WAVE, allowed=ALLOWED / 10), autoscaled(WAVE, allowed=3 * ALLOWED)
    assert tighter.target_percent < found.target_percent < looser.target_percent
    assert tighter.usd > found.usd > looser.usd


def test_chance_does_not_keep_the_objective():
    """At few requests a second chance keeps more nodes than even arrivals, which the target has to be enough for."""
    quiet = interpolated_traffic([(0, 3), (3 * HOUR, 9)], 8 * HOUR)
    found = autoscaled(quiet, Sizing(1), cpu_percent=70)
    even = scale(Hpa(found.target_percent), DELAYS, NodeLoad(1, 70), quiet.rates_rps, 8)
    assert 0 < overloaded_share(quiet, Sizing(1), even.serving) <= ALLOWED


def test_a_target_is_of_the_cpu_that_a_node_uses_at_its_capacity():
    of_capacity, of_cpu = autoscaled(WAVE), autoscaled(WAVE, cpu_percent=50)
    assert of_cpu.target_percent == pytest.approx(of_capacity.target_percent / 2, abs=2)
    assert of_cpu.usd == pytest.approx(of_capacity.usd, rel=0.03)


def test_more_traffic_costs_more():
    more = interpolated_traffic([(0, 240), (2 * HOUR, 1200), (4 * HOUR, 240), (6 * HOUR, 180)], 8 * HOUR)
    assert autoscaled(more).usd > 1.1 * autoscaled(WAVE).usd


def test_a_fleet_that_starts_slowly_needs_a_lower_target_and_costs_more():
    soon, late = autoscaled(WAVE, delays=Delays(60, 60)), autoscaled(WAVE, delays=Delays(900, 300))
    assert late.target_percent < soon.target_percent
    assert late.usd > soon.usd


def test_no_target_is_enough_for_a_step_that_nodes_are_too_slow_for():
    step = interpolated_traffic([(0, 10), (4 * HOUR, 10), (4 * HOUR + 30, 2000), (7.99 * HOUR, 2000)], 8 * HOUR)
    assert autoscaled(step, delays=Delays(1800, 1800)) is None


def test_the_fewest_nodes_stay_at_night():
    assert autoscaled(WAVE, fewest=60).fewest == 60


def test_a_night_without_any_request_keeps_the_fewest_nodes():
    quiet = interpolated_traffic([(0, 0), (2 * HOUR, 0), (5 * HOUR, 600)], 8 * HOUR)
    assert autoscaled(quiet, fewest=2).fewest == 2


def test_requests_in_overload_are_those_of_the_steps_above_the_capacity():
    traffic = interpolated_traffic([(0, 100), (HOUR, 100)], 2 * HOUR)
    serving = np.full(480, 10)
    assert overloaded_share(traffic, SIZING, serving) == 0
    serving[:48] = 9
    assert overloaded_share(traffic, SIZING, serving) == pytest.approx(0.1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = ResultsStore(str(tmp_path_factory.mktemp("day")))
    searched_run(found, Server(2, lognormal(80, 0.2)), 2, 300, seed=4)
    return found


def test_a_forecast_has_the_fleets_of_the_plan_for_the_peak(store):
    traffic = smooth_traffic(400, 50, 14 * HOUR)
    verdict = read_verdict(store, Asked())
    found = forecast_day(store, verdict, traffic, Terms(), Autoscaling(), lambda _: None)
    [variant] = found.variants
    nodes = variant.offer.sizing.nodes_for(400)
    assert (variant.fixed.most, variant.fixed.usd) == (nodes, pytest.approx(24 * variant.offer.cost(nodes).hourly))
    assert variant.cpu_percent is None, "the run has no samples"
    assert variant.fleets == (variant.autoscaled, variant.fixed)
    assert variant.autoscaled.overloaded <= found.allowed_share == pytest.approx(0.01)
    assert costs.month_usd(variant.fixed) == pytest.approx(730 * variant.offer.cost(nodes).hourly)


def test_a_peak_that_no_fleet_carries_leaves_the_variant_out(store):
    traffic = smooth_traffic(1e9, 0, 0)
    found = forecast_day(store, read_verdict(store, Asked()), traffic, Terms(), Autoscaling(), lambda _: None)
    assert found.variants == ()
    [(_, why)] = found.excluded
    assert "plan for less" in why
