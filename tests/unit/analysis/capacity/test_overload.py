"""An overload is a queue that grows all the time, and nothing else."""

import numpy as np
import pytest

from analysis.capacity.bounds import bounds_of
from analysis.capacity.misses import judged
from analysis.capacity.requests import OfferedRate
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from tests.unit.analysis.capacity.played import CAPACITY_RPS, OBJECTIVE, offered

LATENCY_S = 0.2
# Not Poisson.
EVEN = False


@pytest.mark.parametrize("law", [CONSTANT, POISSON])
@pytest.mark.parametrize("seed", range(5))
def test_twice_what_the_server_can_answer_is_an_overload_within_seconds(law: str, seed: int) -> None:
    assert offered(160, 5, seed, law).is_overload(LATENCY_S)


@pytest.mark.parametrize("law", [CONSTANT, POISSON])
def test_a_rate_below_the_capacity_hardly_ever_is(law: str) -> None:
    assert not any(offered(0.97 * CAPACITY_RPS, 10, seed, law).is_overload(LATENCY_S) for seed in range(300))


def test_a_pause_of_the_server_is_none() -> None:
    calm = offered(40, 5, 1, CONSTANT)
    for from_s in np.arange(0, 4, 0.25):
        resumed_s = from_s + 2
        paused = (calm.offsets_s >= from_s) & (calm.offsets_s < resumed_s)
        response_s = np.where(paused, resumed_s - calm.offsets_s + calm.response_s, calm.response_s)
        assert not OfferedRate(40, EVEN, calm.offsets_s, response_s).is_overload(LATENCY_S)


def test_a_slow_server_that_keeps_up_is_none() -> None:
    offsets_s = np.arange(0, 10, 0.02)
    assert not OfferedRate(50, EVEN, offsets_s, np.full(offsets_s.size, 4.0)).is_overload(4.5)


def test_refused_requests_do_not_make_a_queue() -> None:
    offsets_s = np.arange(0, 10, 0.02)
    assert not OfferedRate(50, EVEN, offsets_s, np.where(np.arange(offsets_s.size) % 2, np.inf, 0.05)).is_overload(
        LATENCY_S
    )


def test_a_short_overload_bounds_the_capacity_though_its_misses_are_one_burst() -> None:
    slow = OBJECTIVE.model_copy(update={"latency_ms": 2000})
    short = offered(130, 5, 1, CONSTANT)
    assert short.is_overload(2.0)
    assert bounds_of(judged([short], slow), 0.001).high == 130
