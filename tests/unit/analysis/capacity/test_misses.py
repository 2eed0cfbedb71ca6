"""How requests fared at each rate, against a count of the rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.capacity.misses import by_rate
from analysis.capacity.requests import OfferedRate
from analysis.objective import Objective

LIMIT_MS = 100.0


def offered(rate_rps: float, response_s: list[float]) -> OfferedRate:
    # Evenly spaced, so that all of them count.
    offsets_s = np.arange(len(response_s)) / rate_rps
    return OfferedRate(rate_rps, poisson=False, offsets_s=offsets_s, response_s=np.array(response_s))


@given(
    response_ms=st.lists(st.one_of(st.floats(1, 1000), st.just(math.inf)), min_size=1, max_size=200),
    quantile=st.sampled_from([0.5, 0.9, 0.99]),
)
def test_the_quantile_is_within_the_limit_exactly_where_few_enough_requests_miss(response_ms, quantile):
    objective = Objective(quantile=quantile, latency_ms=LIMIT_MS)
    [found] = by_rate([offered(10, [each / 1000 for each in response_ms])], objective)
    late = sum(each / 1000 > LIMIT_MS / 1000 for each in response_ms)
    assert (found.missed, found.requests) == (late, len(response_ms))
    assert found.missed_share == pytest.approx(late / len(response_ms))
    # Of n requests the share `quantile` is within the limit if that many are.
    enough = math.ceil(round(quantile * len(response_ms), 9))
    assert (found.at_quantile_ms <= LIMIT_MS) == (len(response_ms) - late >= enough)
    assert found.p50_ms <= found.at_quantile_ms


def test_steps_are_in_the_order_of_their_rates_and_one_without_requests_is_left_out():
    objective = Objective(latency_ms=LIMIT_MS)
    found = by_rate([offered(30, [0.05]), offered(20, []), offered(10, [0.05, 0.2])], objective)
    assert [each.rate_rps for each in found] == [10, 30]
