"""When each request of an open loop is due."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.loops.arrivals import CONSTANT, POISSON, Arrival, Segment, along_segments, offsets_at

laws = st.sampled_from([CONSTANT, POISSON])


def ramp_and_hold(rate_rps: float, ramp_s: float, hold_s: float, law: str, seed: int) -> Iterator[Arrival]:
    return along_segments(
        [Segment("ramp", 0.0, rate_rps, ramp_s), Segment("hold", rate_rps, rate_rps, hold_s)], law, seed
    )


def along_curve(rates_rps: Sequence[float], duration_s: float, law: str) -> Iterator[Arrival]:
    interval_s = duration_s / (len(rates_rps) - 1)
    return along_segments([Segment("hold", *ends_rps, interval_s) for ends_rps in pairwise(rates_rps)], law, 3)


def test_constant_arrivals_are_where_the_rate_puts_them_without_adding_up_errors() -> None:
    assert list(islice(offsets_at(50.0, CONSTANT, 0), 4)) == [0.0, 0.02, 0.04, 0.06]
    assert next(islice(offsets_at(3.0, CONSTANT, 0), 3_000_000, None)) == 1_000_000.0


def test_poisson_arrivals_have_the_rate_and_the_spread_of_independent_callers() -> None:
    times = list(islice(offsets_at(100.0, POISSON, 7), 20_000))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(0.01, rel=0.03)
    assert deviation / mean == pytest.approx(1.0, rel=0.05)


def test_a_seed_gives_the_same_schedule_again_and_another_seed_another() -> None:
    first, again, other = (list(islice(offsets_at(10.0, POISSON, seed), 50)) for seed in (1, 1, 2))
    assert first == again != other


@given(st.floats(0.5, 500), st.just(0.0) | st.floats(0.1, 20), st.floats(0.5, 20), laws, st.integers(0, 2**32))
def test_a_schedule_ascends_and_has_a_ramp_and_then_a_hold(
    rate_rps: float, ramp_s: float, hold_s: float, law: str, seed: int
) -> None:
    schedule = list(islice(ramp_and_hold(rate_rps, ramp_s, hold_s, law, seed), 20_000))
    times = [arrival.intended_start_s for arrival in schedule]
    assert times == sorted(times)
    assert all(0 <= time_s < ramp_s + hold_s for time_s in times)
    phases = [arrival.phase for arrival in schedule]
    assert phases == sorted(phases, key=["ramp", "hold"].index)
    assert all(arrival.phase == "ramp" for arrival in schedule if arrival.intended_start_s < ramp_s - 1e-6)


def test_the_ramp_climbs_evenly_to_the_rate() -> None:
    due = [arrival.intended_start_s for arrival in ramp_and_hold(100.0, 10.0, 5.0, CONSTANT, 0)]
    by_second = [sum(second <= time_s < second + 1 for time_s in due) for second in range(15)]
    assert by_second[:10] == pytest.approx([5 + 10 * second for second in range(10)], abs=1)
    assert by_second[10:] == [100] * 5


@given(st.lists(st.just(0.0) | st.floats(0.5, 200), min_size=2, max_size=8), st.floats(1, 60))
def test_evenly_spaced_requests_along_a_curve_are_due_where_the_area_under_it_is_a_whole_number(
    rates_rps: list[float], duration_s: float
) -> None:
    due = [arrival.intended_start_s for arrival in along_curve(rates_rps, duration_s, CONSTANT)]
    at_s, fine_s = np.linspace(0, duration_s, len(rates_rps)), np.linspace(0, duration_s, 20_001)
    rate_rps = np.interp(fine_s, at_s, rates_rps)
    area = np.concatenate([[0.0], np.cumsum((rate_rps[1:] + rate_rps[:-1]) / 2 * np.diff(fine_s))])
    assert len(due) == pytest.approx(area[-1], abs=1.01)
    assert due == sorted(due)
    assert np.interp(due, fine_s, area) == pytest.approx(np.arange(len(due)), abs=0.05)


def test_independent_requests_along_a_curve_have_its_rate_in_each_part() -> None:
    due = [arrival.intended_start_s for arrival in along_curve([0.0, 400.0, 0.0, 0.0, 100.0], 400.0, POISSON)]
    counts = np.histogram(due, bins=[0, 100, 200, 300, 400])[0]
    assert counts[2] == 0
    assert counts[[0, 1, 3]] == pytest.approx([20_000, 20_000, 5_000], rel=0.05)


def test_a_request_that_is_due_where_a_segment_ends_is_sent_once_and_in_the_next() -> None:
    # 1.1 · 10 is more than 11 in floating point, so request 11 is due just within the first segment.
    parts = [Segment("ramp", 1.1, 1.1, 10.0), Segment("hold", 1.1, 1.1, 10.0)]
    arrivals = list(along_segments(parts, CONSTANT, 0))
    assert [sum(arrival.phase == phase for arrival in arrivals) for phase in ("ramp", "hold")] == [11, 11]
    assert arrivals[11].intended_start_s == 10.0
