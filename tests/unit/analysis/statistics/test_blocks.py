import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from analysis.statistics.blocks import BLOCKS, half_width_of_sum, sd_of_sum
from analysis.statistics.cells import CELLS
from analysis.statistics.estimate import student_t


def remembering(memory, seed=1):
    rng = np.random.default_rng(seed)
    series = [rng.normal()]
    for _ in range(CELLS - 1):
        series.append(memory * series[-1] + rng.normal())
    return 100 + np.array(series)


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_blocks_show_how_much_sums_differ_between_runs(memory):
    sums = [remembering(memory, seed).sum() for seed in range(200)]
    shown = [sd_of_sum(remembering(memory, seed)) for seed in range(1000, 1200)]
    assert np.sqrt(np.mean(np.square(shown))) == pytest.approx(np.std(sums), rel=0.12)


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_blocks_show_what_a_bootstrap_of_blocks_shows(memory):
    """That of arch, with the length of block that it finds best (Politis and White 2004)."""
    ours, theirs = [], []
    for seed in range(40):
        series = remembering(memory, seed)
        length = optimal_block_length(series)["stationary"].item()
        ours.append(sd_of_sum(series) ** 2)
        theirs.append(StationaryBootstrap(length, series, seed=seed).var(np.sum, reps=200).item())
    assert np.mean(ours) ** 0.5 == pytest.approx(np.mean(theirs) ** 0.5, rel=0.15)


def test_single_cells_would_understate_it():
    series = remembering(0.8)
    assert sd_of_sum(series, CELLS) < 0.6 * sd_of_sum(series)


def _as_batch_means(series):
    """How much wider the interval is than that of eight blocks."""
    return half_width_of_sum(series) / (student_t(BLOCKS - 1) * sd_of_sum(series))


def test_a_series_that_wanders_has_a_wider_interval_than_its_blocks_show():
    wandering = [_as_batch_means(remembering(0.98, seed)) for seed in range(20)]
    independent = [_as_batch_means(remembering(0.0, seed)) for seed in range(20)]
    assert np.median(wandering) > 1.5
    assert np.median(independent) == 1


def test_a_series_without_variation_has_no_spread():
    assert sd_of_sum(np.ones(CELLS)) == 0
    assert half_width_of_sum(np.ones(CELLS)) == 0
