"""What so many requests can tell of a percentile."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.capacity.certify import binomial_cdf, dispersion, fails_quantile, meets_quantile


@pytest.mark.parametrize(
    ("quantile", "missed", "count"),
    [(0.9, 1, 64), (0.99, 1, 662), (0.9, 0, 44), (0.99, 0, 459), (0.95, 1, 130)],
)
def test_as_many_requests_are_needed_as_the_published_stop_rule_says(quantile: float, missed: int, count: int) -> None:
    assert meets_quantile(missed, count, quantile, error=0.01)
    assert not meets_quantile(missed, count - 1, quantile, error=0.01)


def test_the_probabilities_are_those_of_the_binomial_law() -> None:
    assert binomial_cdf(0, 10, 0.5) == pytest.approx(0.5**10)
    assert binomial_cdf(1, 3, 0.5) == pytest.approx(0.5)
    # By hand: 0.99^662 + 662 · 0.01 · 0.99^661.
    assert binomial_cdf(1, 662, 0.01) == pytest.approx(0.99**662 + 662 * 0.01 * 0.99**661)


@given(st.integers(1, 100), st.floats(0.001, 0.999))
def test_more_misses_are_never_less_probable(trials: int, share: float) -> None:
    probabilities = [binomial_cdf(most, trials, share) for most in range(-1, trials + 1)]
    assert probabilities == pytest.approx(sorted(probabilities), abs=1e-12)
    assert probabilities[-1] == 1.0


@given(st.integers(0, 60), st.integers(1, 2000), st.sampled_from([0.5, 0.9, 0.99]))
def test_no_count_both_meets_and_fails_a_percentile(missed: int, trials: int, quantile: float) -> None:
    assert not (meets_quantile(missed, trials, quantile, 0.01) and fails_quantile(missed, trials, quantile, 0.01))


def test_a_server_that_misses_just_too_many_is_hardly_ever_certified() -> None:
    generator = random.Random(5)
    certified = sum(
        meets_quantile(sum(generator.random() < 0.1 for _ in range(64)), 64, 0.9, 0.01) for _ in range(2000)
    )
    assert certified / 2000 <= 0.01


def test_single_misses_count_each_and_misses_in_a_burst_count_once() -> None:
    generator = random.Random(1)
    singly = [generator.random() < 0.05 for _ in range(4096)]
    bursts = [generator.random() < 0.05 for _ in range(256) for _ in range(16)]
    bursts = [flag for at in range(0, len(bursts), 16) for flag in [bursts[at]] * 16]
    assert dispersion(singly) < 3
    assert 8 < dispersion(bursts) < 40
    assert dispersion([False] * 100) == dispersion([True] * 100) == dispersion([]) == 1.0
