"""The interval of the fit, by misses whose scatter about the line is known."""

import math

import numpy as np

from analysis.capacity.fit import fit_capacity
from analysis.capacity.requests import OfferedRate
from analysis.results.run.columns import Booleans

_SHARE, _RATES_RPS, _REQUESTS, _SLOPE = 0.05, (90.0, 95.0, 100.0, 105.0, 110.0), 4000, 2.0


def test_the_interval_is_as_wide_as_independent_misses_scatter() -> None:
    """For independent misses about a line as steep as expected the error follows from the binomial law."""
    found = [fit_capacity(_steps(seed), _SHARE, 300.0) for seed in range(40)]
    held = sum(each.low <= 100 <= each.high for each in found)
    stated = np.median([math.log(each.high / each.low) / 3.92 for each in found])
    true = np.std([math.log(each.value) for each in found])
    assert held >= 35
    assert 0.8 <= stated / true <= 2.5


def test_halves_of_steps_that_differ_widen_the_interval() -> None:
    """The misses of a step come in its first half only, as where a machine was slow for a while."""
    even, uneven = fit_capacity(_steps(1), _SHARE, 300.0), fit_capacity(_steps(1, in_first_half=True), _SHARE, 300.0)
    assert uneven.high / uneven.low - 1 > 1.5 * (even.high / even.low - 1)


def _steps(seed: int, *, in_first_half: bool = False) -> list[tuple[OfferedRate, Booleans]]:
    rng = np.random.default_rng(seed)
    steps = []
    for rate_rps in _RATES_RPS:
        odds = _SHARE / (1 - _SHARE) * (rate_rps / 100) ** _SLOPE
        missed = rng.random(_REQUESTS) < odds / (1 + odds)
        if in_first_half:
            missed = np.arange(_REQUESTS) < missed.sum()
        offsets_s = np.arange(_REQUESTS) / rate_rps
        steps.append((OfferedRate(rate_rps, True, offsets_s, np.where(missed, 1.0, 0.1)), missed))  # noqa: FBT003
    return steps
