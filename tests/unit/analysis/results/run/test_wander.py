"""A rate that wanders makes neighbouring windows alike; a random or a constant one does not."""

import math

import numpy as np
import pytest
from arch.unitroot import VarianceRatio
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.run.wander import wander_of

CELLS, CELL_S, PER_CELL = 480, 0.625, 30.0


def counts(seed, time_constant_s=0.0, sd=0.0):
    """Poisson counts of a rate that is constant, or an Ornstein-Uhlenbeck process."""
    rng = np.random.default_rng(seed)
    memory = math.exp(-CELL_S / time_constant_s) if time_constant_s else 0.0
    level, levels = rng.normal(0, sd), []
    for _ in range(CELLS):
        level = memory * level + rng.normal(0, sd * math.sqrt(1 - memory**2))
        levels.append(level)
    return rng.poisson(PER_CELL * np.exp(levels)).astype(float)


def test_a_constant_rate_hardly_ever_wanders():
    found = [wander_of(counts(seed)).z > 2.6 for seed in range(500)]
    assert np.mean(found) <= 0.02


def test_a_rate_that_varies_by_a_tenth_over_half_a_minute_mostly_shows():
    found = [wander_of(counts(seed, 30, 0.1)) for seed in range(100)]
    assert np.mean([each.z > 2.6 for each in found]) > 0.75
    assert np.median([each.sd for each in found]) == pytest.approx(0.08, abs=0.03)


@pytest.mark.parametrize("sd", [0.0, 0.1])
def test_it_is_the_variance_ratio_that_another_implementation_finds(sd):
    """That of arch over 13 windows, which uses the windows at both ends of the series in another way."""
    found = []
    for seed in range(100):
        series = counts(seed, 30, sd)
        sums = np.concatenate([[0], np.cumsum(series.reshape(60, -1).mean(axis=1))])
        found.append((wander_of(series).z, VarianceRatio(sums, 13, robust=False).stat))
    ours, theirs = np.array(found).T
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.25, abs=0.1)


def test_even_counts_do_not_wander():
    assert wander_of(np.full(CELLS, 7.0)).z == 0


@given(st.lists(st.integers(0, 1000), min_size=60, max_size=200), st.floats(0.1, 1000))
def test_the_unit_of_time_does_not_matter(values, factor):
    series = np.array(values, dtype=float)
    one, other = wander_of(series), wander_of(series * factor)
    assert one.z == pytest.approx(other.z, abs=1e-6)
    assert one.sd == pytest.approx(other.sd, abs=1e-6)
