import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.statistics.blocks import REPLICATES, block_length, draws
from analysis.statistics.cells import CELLS


def remembering(memory, seed=1):
    rng = np.random.default_rng(seed)
    series = [rng.normal()]
    for _ in range(CELLS - 1):
        series.append(memory * series[-1] + rng.normal())
    return np.array(series)


@settings(deadline=None)
@given(block=st.integers(min_value=1, max_value=CELLS))
def test_every_replicate_draws_as_many_cells_as_there_are(block):
    drawn = draws(block)
    assert drawn.shape == (REPLICATES, CELLS)
    assert (drawn.sum(axis=1) == CELLS).all()
    assert (drawn >= 0).all()


def test_a_block_is_drawn_whole():
    drawn = draws(CELLS // 2)
    # Two blocks, each half of the circle: along it the count changes at no more than four places.
    changes = (np.diff(np.concatenate([drawn, drawn[:, :1]], axis=1), axis=1) != 0).sum(axis=1)
    assert changes.max() <= 4


def test_the_ends_of_a_run_are_drawn_as_often_as_its_middle():
    mean = draws(40).mean(axis=0)
    assert mean[:10].mean() == pytest.approx(1, abs=0.05)
    assert mean[-10:].mean() == pytest.approx(1, abs=0.05)


def test_what_remembers_longer_has_longer_blocks():
    forgetful = np.mean([block_length(remembering(0, seed)) for seed in range(20)])
    lasting = np.mean([block_length(remembering(0.98, seed)) for seed in range(20)])
    assert forgetful == pytest.approx(CELLS / 30, abs=3)
    assert lasting > 1.5 * forgetful


@pytest.mark.parametrize("series", [np.zeros(CELLS), np.ones(CELLS)])
def test_a_series_without_variation_has_the_shortest_blocks(series):
    assert block_length(series) == CELLS // 30


def test_resampled_blocks_show_the_spread_of_a_sum_that_single_cells_would_understate():
    memory = 0.8
    sums = [remembering(memory, seed).sum() for seed in range(200)]
    series = remembering(memory, 1000)
    in_blocks = np.std(draws(block_length(series)) @ series)
    in_cells = np.std(draws(1) @ series)
    assert in_blocks == pytest.approx(np.std(sums), rel=0.35)
    assert in_cells < 0.6 * np.std(sums)
