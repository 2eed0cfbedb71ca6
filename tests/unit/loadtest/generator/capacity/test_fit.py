"""The fit of the pod's search, which leaves out what is negligible, beside the same model written out in full."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from loadtest.generator.capacity import fit
from loadtest.generator.capacity.step import Counts


@st.composite
def steps(draw: st.DrawFn) -> Counts:
    requests = draw(st.integers(1, 5000))
    missed = draw(st.one_of(st.just(0), st.integers(0, requests)))
    return Counts(draw(st.floats(50, 500)), requests, missed, draw(st.floats(1, 8)))


def in_full(
    counted: list[Counts], share: float, highest_rps: float, *, only_failures: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm of each rate of the grid, and its likelihood, the sum over all slopes."""
    most = min(0.5, fit._MOST * share)
    within = [step for step in counted if step.missed <= most * step.requests]
    worth = fit._dispersion(within)
    deviations = np.array(fit._DEVIATIONS)
    slopes = fit._SLOPE_OF_FAILURES * np.exp(fit._SLOPE_SD * deviations)
    if not only_failures:
        usual = fit._SLOPE_OF_BURSTS * np.sqrt(worth * np.log(1 / share))
        slopes = usual * np.exp(fit._SLOPE_SD * (1 + 1 / worth) * deviations)
    log_prior = -0.5 * deviations**2
    at = np.log([step.rate_rps for step in counted])
    top = math.log(highest_rps)
    bottom = min(at.min(), top) - 1
    grid = bottom + (top - bottom) * (np.arange(fit._RATES) + 0.5) / fit._RATES
    shares = np.minimum(most, [step.missed / step.requests for step in counted])
    logits = logit(share) + slopes[:, None] * (at - grid[:, None, None])
    logits = np.minimum(logits, np.where(shares == most, logit(most), np.inf))
    requests = np.array([step.requests for step in counted]) / worth
    logs = log_prior + (requests * (shares * logits - np.logaddexp(0, logits))).sum(axis=2)
    return grid, np.exp(logs - logs.max()).sum(axis=1)


@given(
    counted=st.lists(steps(), min_size=1, max_size=12),
    share=st.sampled_from([0.001, 0.01, 0.05, 0.1]),
    highest_rps=st.floats(100, 5000),
    only_failures=st.booleans(),
)
def test_what_it_leaves_out_changes_no_figure(
    counted: list[Counts], share: float, highest_rps: float, *, only_failures: bool
) -> None:
    found = fit._fit(counted, share, highest_rps, only_failures=only_failures)
    grid, likely = in_full(counted, share, highest_rps, only_failures=only_failures)
    below = likely.cumsum() / likely.sum()
    width = grid[1] - grid[0]
    for rps, quantile in ((found.low_rps, 0.025), (found.high_rps, 0.975)):
        if rps == found.value_rps:
            continue  # the likeliest rate lies outside of the interval
        edges, shares = np.append(grid - width / 2, grid[-1] + width / 2), np.append(0, below)
        assert abs(np.interp(quantile, shares, edges) - math.log(rps)) < 0.05 * width
