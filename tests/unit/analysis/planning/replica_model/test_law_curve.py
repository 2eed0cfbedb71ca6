"""The law's curve: its distributions have the moments that are asked for, and it goes through the levels of the fit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.planning.replica_model.law_curve import distribution, law_curve
from analysis.planning.replica_model.scaling import Point, Scaling

means = st.floats(0.05, 60)
THREADS = Scaling(2, 80, 0, 0, 6)
SHARED = Scaling(16, 80, 0.2, 0, 6)


def moments(present):
    n = np.arange(present.size)
    mean = present @ n
    return mean, present @ (n - mean) ** 2


@given(means, st.floats(0.05, 8))
def test_a_distribution_has_the_mean_and_the_variance_that_are_asked_for(mean, dispersion):
    present = distribution(mean, dispersion * mean)
    assert present.sum() == pytest.approx(1, abs=1e-6)
    found_mean, found_variance = moments(present)
    assert found_mean == pytest.approx(mean, rel=1e-4)
    # A number that is not whole cannot vary less than between its two neighbours, nor a binomial than its trials allow.
    if dispersion >= 1:
        assert found_variance == pytest.approx(dispersion * mean, rel=0.01)
    else:
        assert found_variance <= mean * 1.001


@example(1.0, 0.25)
@given(means, st.floats(0.05, 3))
def test_a_distribution_is_smooth_in_its_mean(mean, dispersion):
    step = 1e-4
    for law in (THREADS, SHARED):
        before, after = (law.rps(distribution(each, dispersion * each)) for each in (mean, mean * (1 + step)))
        assert abs(after / before - 1) < 10 * step


def levels(dispersion, law):
    """Levels of load whose number of requests varies by `dispersion`, with the throughput of the law."""
    found = []
    for mean in (0.3, 0.8, 1.5, 3, 6, 12):
        present = distribution(mean, dispersion * mean)
        rps = law.rps(present)
        found.append(Point(present, present @ np.arange(present.size) / rps * 1000, rps, 1000))
    return found


@pytest.mark.parametrize("law", [THREADS, SHARED], ids=["threads", "shared"])
@pytest.mark.parametrize("dispersion", [0.5, 1.0, 2.5])
def test_the_curve_goes_through_levels_that_vary_alike(law, dispersion):
    points = levels(dispersion, law)
    curve = law_curve(law, points)
    assert (curve[0].in_system, curve[-1].in_system) == pytest.approx((points[0].in_system, points[-1].in_system))
    for point in points:
        rps = np.interp(point.in_system, [each.in_system for each in curve], [each.rps for each in curve])
        assert rps == pytest.approx(point.rps, rel=0.02)


@pytest.mark.parametrize("dispersion", [0.5, 1.0, 2.5])
def test_the_throughput_of_threads_only_grows_up_to_their_limit(dispersion):
    curve = law_curve(THREADS, levels(dispersion, THREADS))
    for before, after in pairwise(curve):
        assert before.rps < after.rps * (1 + 1e-9)
        assert after.rps <= 2 / 0.080
        assert after.rps * after.latency_ms / 1000 == pytest.approx(after.in_system)


def test_levels_that_do_not_vary_have_a_curve():
    """One user, and two, who never wait."""
    always = [Point(np.eye(4)[n], 80, n / 0.08, 100) for n in (1, 2)]
    curve = law_curve(THREADS, always)
    assert curve[0].rps == pytest.approx(12.5, rel=0.02)
    assert curve[-1].rps == pytest.approx(25, rel=0.05)
