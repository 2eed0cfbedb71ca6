"""The pod's search uses the model of the analysis, whose modules the pod does not have: this holds the two together."""

import numpy as np
import pytest

from analysis.capacity import bounds as analysis_bounds
from analysis.capacity import bursts as analysis_bursts
from analysis.capacity import fit as analysis_fit
from analysis.capacity import requests as analysis_requests
from analysis.capacity import search as analysis_search
from loadtest.generator.capacity import certify, fit, search, step


def test_both_have_the_same_constants() -> None:
    names = ("_SLOPE_OF_BURSTS", "_SLOPE_OF_FAILURES", "_SLOPE_SD", "_MOST")
    assert [getattr(fit, name) for name in names] == [getattr(analysis_fit, name) for name in names]
    assert fit._NEAR == analysis_fit.NEAR
    assert (step._SETTLING, step._SETTLING_SHARE) == (analysis_requests._SETTLING, analysis_requests._SETTLING_SHARE)
    assert search._BEYOND_CHANCE == analysis_bounds.BEYOND_CHANCE
    assert step._FAILS_AFTER == analysis_search._PROOF
    assert step._LEVELS == analysis_bursts._LEVELS
    blocks = (certify.FEW_BLOCKS, certify.FEWEST_BLOCKS)
    assert blocks == (analysis_bursts.FEW_BLOCKS, analysis_bursts.FEWEST_BLOCKS)


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_both_find_the_same_dispersion(memory: float) -> None:
    rng, level, flags = np.random.default_rng(4), 0.0, []
    for _ in range(500):
        level = memory * level + rng.normal()
        flags.append(level > 1)
    for fewest in (certify.FEW_BLOCKS, certify.FEWEST_BLOCKS):
        expected = analysis_bursts.dispersion(np.array(flags), fewest)
        assert certify.dispersion(flags, fewest) == pytest.approx(expected)
