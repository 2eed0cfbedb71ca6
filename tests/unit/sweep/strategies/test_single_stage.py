import math

import numpy as np
import pytest

from sweep.strategies.single_stage import blocks_needed


@pytest.mark.parametrize(("candidates", "distance"), [(2, 2.3262), (4, 2.9162), (10, 3.4182)])
def test_the_number_of_blocks_is_that_of_bechhofers_table(candidates, distance):
    exact = (distance * 0.2 / math.log1p(0.05)) ** 2

    assert blocks_needed(candidates, 0.05, log_sd=0.2) == math.ceil(exact)


def test_so_many_blocks_choose_the_best_in_95_percent():
    blocks = blocks_needed(6, 0.05, log_sd=0.06)
    means = np.random.default_rng(3).normal(0, 0.06 / math.sqrt(blocks), (20_000, 6))
    means[:, 1:] += math.log1p(0.05)

    assert 0.95 <= np.mean(means.argmin(axis=1) == 0) <= 0.975


def test_one_candidate_needs_one_block():
    assert blocks_needed(1, 0.05) == 1
