"""What is predicted for a load, and how far it may be off, beside answers that are known."""

import math

import numpy as np
import pytest

from analysis.planning.model import Model
from analysis.planning.scaling import Point, Scaling
from analysis.planning.service import Service
from bench.simulator import _predicted
from stacks.load_profiles import ClosedLoop

ALONE_MS = 50.0
LEVELS = 14
AS_FAST = (1.0, 1.0)


def model(error: float) -> Model:
    """One worker whose requests all take the same time; its law predicts left-out levels with this error."""
    level = Point(np.array([0.5, 0.5]), ALONE_MS, 10.0, 1000)
    law = Scaling(1, ALONE_MS, 0.0, 0.0, LEVELS)
    return Model((level,) * LEVELS, law, Service(ALONE_MS, np.ones(1), (1.0,)), error)


def users(count: int) -> ClosedLoop:
    return ClosedLoop(
        users=count, spawn_rate_per_s=8, wait_s=0.5, pauses="exponential", warmup_s=5, duration_s=count / 8 + 40
    )


def off(error: float) -> float:
    """Two standard errors: of the mean of the law's levels, and of the seven levels that a hold phase lasts."""
    return 2 * error * math.hypot(1 / math.sqrt(LEVELS), 1 / math.sqrt(7))


def test_the_latency_of_one_user_is_the_service_time_of_the_server_and_of_the_faster_and_slower_one():
    found = _predicted(model(error=0.05), users(1), AS_FAST)
    assert found.p50_ms == pytest.approx(ALONE_MS)
    assert (found.low_ms, found.high_ms) == (
        pytest.approx(ALONE_MS * (1 - off(0.05))),
        pytest.approx(ALONE_MS * (1 + off(0.05))),
    )


def test_of_a_saturated_server_it_is_that_of_the_interactive_response_time_law():
    """R = N s - Z: Denning and Buzen, The operational analysis of queueing network models, 1978."""
    found = _predicted(model(error=0.05), users(40), AS_FAST)
    for found_ms, service_ms in (
        (found.p50_ms, ALONE_MS),
        (found.low_ms, ALONE_MS * (1 - off(0.05))),
        (found.high_ms, ALONE_MS * (1 + off(0.05))),
    ):
        assert found_ms == pytest.approx(40 * service_ms - 500, rel=0.03)


def test_a_law_that_is_exact_is_off_by_nothing():
    found = _predicted(model(error=0.0), users(4), AS_FAST)
    assert found.low_ms == found.p50_ms == found.high_ms
    assert found.is_certain


@pytest.mark.parametrize(("error", "certain"), [(0.14, True), (0.16, False)])
def test_a_prediction_that_may_be_more_than_15_percent_off_is_not_certain(error, certain):
    exactly = error / off(1.0)
    assert _predicted(model(error=exactly), users(1), AS_FAST).is_certain is certain


def test_a_prediction_for_a_slower_machine_counts_how_well_it_is_known_what_the_server_follows():
    # Two standard errors of the power are 0.4. One load test on a slower machine and one on a faster one cancel out.
    found = _predicted(model(error=0.0), users(1), (1.2, 1.2))
    assert found.high_ms == pytest.approx(ALONE_MS * (1 + 0.4 * math.log(1.2)))
    assert found.low_ms == pytest.approx(ALONE_MS * (1 - 0.4 * math.log(1.2)))
    assert _predicted(model(error=0.0), users(1), (1.2, 1 / 1.2)).high_ms == pytest.approx(ALONE_MS)
