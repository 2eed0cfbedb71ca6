"""What is predicted for a load, and how far it may be off, beside answers that are known."""

import numpy as np
import pytest

from analysis.planning.replica_model.curve import Curve
from analysis.planning.replica_model.model import ReplicaModel
from analysis.planning.replica_model.scaling import Point, Scaling
from analysis.planning.replica_model.service import Service
from analysis.planning.replica_model.single_requests import SingleRequests
from bench.simulator import _differs, _predicted, _took
from stacks.load.load_profiles import ClosedLoop

ALONE_MS = 50.0
# One worker whose requests all take the same time.
LAW = Scaling(1, ALONE_MS, 0.0, 0.0, 14)
MODEL = ReplicaModel((), LAW, Service(ALONE_MS, np.ones(1), (1.0,)), 0.0)


def users(count: int) -> ClosedLoop:
    return ClosedLoop(
        users=count, spawn_rate_per_s=8, wait_s=0.5, pauses="exponential", warmup_s=5, duration_s=count / 8 + 40
    )


def test_the_latency_of_one_user_is_the_service_time_of_the_server_and_of_the_faster_and_slower_one():
    found = _predicted(MODEL, users(1), off=0.1)
    assert found.p50_ms == pytest.approx(ALONE_MS)
    assert (found.low_ms, found.high_ms) == (pytest.approx(0.9 * ALONE_MS), pytest.approx(1.1 * ALONE_MS))


def test_of_a_saturated_server_it_is_that_of_the_interactive_response_time_law():
    """R = N s - Z: Denning and Buzen, The operational analysis of queueing network models, 1978."""
    found = _predicted(MODEL, users(40), off=0.1)
    for found_ms, service_ms in (
        (found.p50_ms, ALONE_MS),
        (found.low_ms, 0.9 * ALONE_MS),
        (found.high_ms, 1.1 * ALONE_MS),
    ):
        assert found_ms == pytest.approx(40 * service_ms - 500, rel=0.03)


def test_of_a_server_that_differs_by_nothing_the_prediction_is_off_by_nothing():
    found = _predicted(MODEL, users(4), off=0.0)
    assert found.low_ms == found.p50_ms == found.high_ms
    assert found.is_certain


@pytest.mark.parametrize(("off", "certain"), [(0.14, True), (0.16, False)])
def test_a_prediction_that_may_be_more_than_15_percent_off_is_not_certain(off, certain):
    assert _predicted(MODEL, users(1), off).is_certain is certain


def level(busy: float, slower: float, requests: int) -> Point:
    """A share of the time with one request, which takes so much longer than by the law."""
    return Point(np.array([1 - busy, busy]), ALONE_MS, busy / (slower * ALONE_MS) * 1000, requests)


def test_a_load_test_took_as_much_longer_than_the_law_as_its_levels_did():
    nobody = SingleRequests((), 0, say_which=False)
    assert _took(MODEL, Curve((level(0.2, 1.1, 50), level(0.9, 1.1, 300)), nobody)) == pytest.approx(1.1)
    assert _took(MODEL, Curve((level(0.2, 1.4, 100), level(0.9, 1.0, 300)), nobody)) == pytest.approx(1.1)


def test_how_much_load_tests_differ_is_pooled_over_series_whose_means_may_be_any():
    rng = np.random.default_rng(1)
    series = [middle * np.exp(rng.normal(0, 0.05, 5)) for middle in rng.uniform(0.5, 2, 400)]
    assert _differs(series) == pytest.approx(0.05, rel=0.05)
    assert _differs([(1.0, 1.0, 1.0), (1.3,), ()]) == 0
