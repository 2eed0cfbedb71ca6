import math

import numpy as np
import pytest

from analysis.interval import Interval
from analysis.statistics.repeats import over_repeats


def known_to(share, value=100.0):
    return Interval(value, value * math.exp(-1.96 * share), value * math.exp(1.96 * share))


def test_one_run_keeps_its_own_interval():
    assert over_repeats([known_to(0.05)]) == known_to(0.05)


def test_runs_that_agree_are_never_more_certain_than_they_are_of_themselves():
    found = over_repeats([known_to(0.05)] * 4)
    assert found.value == pytest.approx(100)
    assert math.log(found.high / found.value) == pytest.approx(1.96 * 0.05 / 2)


def test_runs_that_differ_widen_the_interval_however_certain_each_is():
    found = over_repeats([known_to(0.001, 90), known_to(0.001, 100), known_to(0.001, 110)])
    assert found.low < 80
    assert found.high > 120


def test_with_spread_from_run_to_run_the_interval_holds_the_truth_in_95_of_100():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(2000):
        runs = [known_to(0.02, 100 * math.exp(rng.normal(0, 0.1) + rng.normal(0, 0.02))) for _ in range(3)]
        found = over_repeats(runs)
        held += found.low <= 100 <= found.high
    assert held / 2000 == pytest.approx(0.955, abs=0.015)


def test_cost_of_the_repeats_is_the_hour_divided_by_their_goodput():
    goodput = over_repeats([known_to(0.05, 40), known_to(0.05, 50)])
    cost = over_repeats([run.divides(1.0) for run in (known_to(0.05, 40), known_to(0.05, 50))])
    assert (cost.value, cost.low, cost.high) == pytest.approx((1 / goodput.value, 1 / goodput.high, 1 / goodput.low))


def test_a_run_without_an_upper_bound_leaves_the_word_to_what_runs_differ_by():
    unbounded = Interval(100, 90, math.inf)
    assert math.isinf(over_repeats([unbounded]).high)
    assert math.isfinite(over_repeats([unbounded, known_to(0.01, 110), known_to(0.01, 105)]).high)


def test_no_bound_is_null_in_json():
    assert Interval(1.0, 0.5, math.inf).to_dict() == {"value": 1.0, "low": 0.5, "high": None}
