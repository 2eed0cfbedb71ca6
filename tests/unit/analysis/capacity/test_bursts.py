"""How many requests count as one, and what so many misses prove."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.capacity.bursts import chance_of_so_few, chance_of_so_many, dispersion


@given(st.integers(1, 3000), st.floats(0.001, 0.5), st.data())
def test_the_chances_are_those_of_the_binomial_law(requests: int, share: float, data: st.DataObject) -> None:
    missed = data.draw(st.integers(0, requests))
    at_most, at_least = binom.cdf(missed, requests, share), binom.sf(missed - 1, requests, share)
    assert chance_of_so_few(missed, requests, share) == pytest.approx(at_most, abs=1e-9)
    assert chance_of_so_many(missed, requests, share) == pytest.approx(at_least, abs=1e-9)


@given(st.floats(0, 500), st.floats(1, 5000), st.floats(0.001, 0.5))
def test_nothing_is_both_too_few_and_too_many(missed: float, requests: float, share: float) -> None:
    missed = min(missed, requests)
    assert max(chance_of_so_few(missed, requests, share), chance_of_so_many(missed, requests, share)) >= 0.5 - 1e-9


def test_an_objective_without_errors_fails_with_the_first() -> None:
    assert chance_of_so_many(1, 1000, 0.0) == 0
    assert chance_of_so_many(0, 1000, 0.0) == 1
    assert chance_of_so_few(0, 1000, 0.0) == 1


@pytest.mark.parametrize("length", [1, 8, 32])
def test_the_dispersion_is_the_length_of_a_burst(length: int) -> None:
    drawn = np.random.default_rng(1).random(65_536 // length) < 0.1
    assert length == pytest.approx(dispersion(np.repeat(drawn, length)), rel=0.8)


def test_flags_that_never_change_have_none() -> None:
    assert dispersion(np.zeros(100, dtype=bool)) == dispersion(np.ones(100, dtype=bool)) == 1.0
