"""The slope at one rate, against the difference of two long simulations."""

import math

import numpy as np
import pytest

from analysis.capacity.slope import slope_of
from bench.servers.simulated_server import missed_share
from tests.unit.analysis.capacity.played import OBJECTIVE, SERVER, offered


def test_the_arrivals_before_misses_give_the_derivative_by_the_rate() -> None:
    low, high = (missed_share(SERVER, rate_rps, 0.2, 1_000_000) for rate_rps in (66.0, 70.0))
    true = math.log(high / low) / math.log(70 / 66)
    one = offered(68.0, 2000.0)
    missed = one.missed(OBJECTIVE)
    found = slope_of([(one, missed)], 0.2, float(missed.sum()) / 10)
    assert found
    assert found.value == pytest.approx(true, abs=2 * found.error + 0.1 * true)


def test_misses_that_do_not_depend_on_arrivals_have_no_slope() -> None:
    one = offered(68.0, 500.0)
    missed = np.random.default_rng(1).random(one.offsets_s.size) < 0.05
    found = slope_of([(one, missed)], 0.2, float(missed.sum()))
    assert found
    assert abs(found.value) < 2


def test_without_a_miss_nothing_is_known() -> None:
    one = offered(20.0, 20.0)
    assert slope_of([(one, np.zeros(one.offsets_s.size, dtype=bool))], 0.2, 0.0) is None
