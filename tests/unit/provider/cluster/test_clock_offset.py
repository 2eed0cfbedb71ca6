import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.cluster.clock_offset import ClockReading, clock_offset_s, timed_call

SECONDS = st.floats(0, 5)


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1), st.floats(-1e5, 1e5))
def test_the_error_is_at_most_half_of_the_quickest_round_trip(ways, true_s):
    readings = [
        ClockReading(at_s - there_s, at_s + back_s, at_s - true_s)
        for at_s, (there_s, back_s) in enumerate(ways, start=1000)
    ]
    quickest_s = min(there_s + back_s for there_s, back_s in ways)
    assert abs(clock_offset_s(readings) - true_s) <= quickest_s / 2 + 1e-6


def test_readings_that_were_late_in_different_directions_narrow_the_range():
    late_there = ClockReading(sent_s=0, received_s=10, read_s=9.9)
    late_back = ClockReading(sent_s=20, received_s=30, read_s=20.1)
    assert clock_offset_s([late_there]) == pytest.approx(-4.9)
    assert clock_offset_s([late_there, late_back]) == pytest.approx(0, abs=0.11)


def test_a_call_lies_between_its_start_and_its_end():
    sent_s, received_s, answer = timed_call(lambda: timed_call(lambda: "x"))
    assert sent_s <= answer[0] <= answer[1] <= received_s
    assert answer[2] == "x"
