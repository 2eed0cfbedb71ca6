"""The autoscaler's rules at loads whose answer is known, and what must hold at any load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.planning.day.autoscaling import Delays, Hpa, NodeLoad, scale
from analysis.planning.day.traffic import STEP_S

# A node carries 10 requests a second and then uses all of its CPU, so that 1 % is 0.1 requests a second.
LOAD = NodeLoad(10, 100)
MINUTE = 60 // STEP_S
AT_ONCE = Delays(0, 0, 0)


def steps(*loads: tuple[float, float]):
    """So many minutes of each rate."""
    return np.concatenate([np.full(int(minutes * MINUTE), rate) for minutes, rate in loads])


@pytest.mark.parametrize(
    ("pods", "serving", "cpu_percent", "recommended"),
    [
        (4, 4, 100, 8),
        (4, 4, 25, 2),
        # Less than 10 % of the target, on both sides, changes nothing; percents are cut to whole ones.
        (10, 10, 54.9, 10),
        (10, 10, 56, 12),
        (10, 10, 46, 10),
        (10, 10, 44.9, 9),
        (10, 10, 60.9, 12),
        # Pods that do not serve yet count as idle while the others need more pods, but never make it fewer.
        (8, 4, 100, 8),
        (8, 4, 60, 8),
        (6, 4, 100, 8),
        # If the others need fewer pods, they do not count.
        (8, 4, 25, 2),
    ],
)
def test_a_metric_asks_for_as_many_pods_as_the_controller_computes(pods, serving, cpu_percent, recommended):
    assert Hpa(target_percent=50).recommended(pods, serving, cpu_percent) == recommended


def test_in_a_period_four_pods_or_as_many_again_are_added():
    hpa = Hpa(50)
    assert [hpa.scaled(pods, 100, 100) for pods in (1, 3, 4, 5, 60)] == [5, 7, 8, 10, 100]


def test_fewer_pods_follow_the_highest_recommendation_of_the_window_down_to_the_fewest():
    hpa = Hpa(50, fewest=3)
    assert hpa.scaled(10, recommended=2, highest_recent=9) == 9
    assert hpa.scaled(10, recommended=2, highest_recent=12) == 10
    assert hpa.scaled(10, recommended=2, highest_recent=2) == 3


@given(st.integers(1, 500), st.floats(1, 100), st.integers(30, 100))
def test_a_constant_load_is_a_fixed_point(nodes, cpu_percent, target):
    """Once the fleet has settled, a constant load never moves it again.

    Lower targets are left out: one or two pods may then go up and down, because percents are cut to whole ones.
    """
    rps = nodes * cpu_percent / 10
    scaled = scale(Hpa(target), Delays(180, 60), LOAD, steps((90, rps)), nodes)
    assert np.unique(scaled.serving[-30 * MINUTE :]).size == 1
    assert np.unique(scaled.billed[-30 * MINUTE :]).size == 1


@given(st.integers(1, 200), st.integers(0, 200), st.floats(0, 100), st.floats(0, 100), st.integers(10, 100))
def test_a_busier_fleet_is_never_told_to_be_smaller(serving, starting, cpu_percent, more, target):
    hpa, pods = Hpa(target, tolerance=0.0), serving + starting
    low, high = sorted((cpu_percent, more))
    assert hpa.recommended(pods, serving, low) <= hpa.recommended(pods, serving, high)


@given(st.lists(st.floats(5, 500), min_size=4, max_size=24), st.floats(1.3, 3), st.integers(30, 85))
def test_more_traffic_never_costs_less(rates, factor, target):
    """Beyond the tolerance of 10 % on both sides, within which the autoscaler leaves a fleet as it is."""
    observed_rps = np.repeat(np.array(rates), 10 * MINUTE)
    hpa = Hpa(target)
    fleets = [scale(hpa, AT_ONCE, LOAD, times * observed_rps, 1) for times in (1, factor)]
    assert fleets[0].billed.sum() <= fleets[1].billed.sum()


def test_a_new_node_serves_after_its_start_up_and_is_billed_from_the_beginning():
    scaled = scale(Hpa(80), Delays(180, 60, 600), LOAD, steps((5, 8), (15, 16)), 1)
    at = 5 * MINUTE + 2
    assert scaled.billed[at - 1 : at + 1].tolist() == [1, 2]
    assert scaled.serving[at + 3 * MINUTE - 1 : at + 3 * MINUTE + 1].tolist() == [1, 2]


def test_after_the_load_a_pod_stays_five_minutes_and_its_node_ten_more():
    scaled = scale(Hpa(80), Delays(180, 60, 600), LOAD, steps((60, 32), (60, 8)), 4)
    emptied = int(np.argmax(scaled.serving < 4))
    removed = int(np.argmax(scaled.billed < 4))
    assert emptied == 60 * MINUTE + 300 // STEP_S + 1
    assert removed == emptied + 600 // STEP_S
    assert (scaled.serving[-1], scaled.billed[-1]) == (1, 1)


def test_a_pod_on_an_empty_node_starts_sooner_than_on_a_new_one():
    scaled = scale(Hpa(80), Delays(180, 60, 600), LOAD, steps((20, 16), (10, 8), (20, 16)), 2)
    down = int(np.argmax(scaled.serving < 2))
    up = down + int(np.argmax(scaled.serving[down:] == 2))
    assert up == 30 * MINUTE + 2 + MINUTE
    assert (scaled.billed == 2).all()


def test_pods_that_do_not_serve_yet_are_taken_away_first():
    # A rise of two minutes, which is over before a new node serves.
    scaled = scale(Hpa(80), Delays(600, 60, 600), LOAD, steps((5, 16), (2, 30), (30, 12)), 2)
    assert (scaled.serving == 2).all()
    assert (scaled.billed.max(), scaled.billed[-1]) == (3, 2)


def test_what_a_pod_can_use_is_all_cpus_of_its_node():
    assert NodeLoad(10, 60).cpu_percent_at(5) == 30
    assert NodeLoad(10, 60).cpu_percent_at(1000) == 100
