"""The highest rate is found wherever the search begins, and one spoiled try does not move it."""

import pytest

from bench.ceiling import highest


@pytest.mark.parametrize("start_rps", [30.0, 100.0, 700.0])
def test_the_highest_rate_that_holds_is_found_from_below_and_above(start_rps: float) -> None:
    found_rps = highest(start_rps, lambda rate_rps: rate_rps <= 123.0, 0.01)
    assert found_rps
    assert found_rps <= 123.0 < found_rps * 1.01


def test_a_rate_that_holds_at_the_second_try_holds() -> None:
    tried: list[float] = []

    def every_other_time(rate_rps: float) -> bool:
        tried.append(rate_rps)
        return rate_rps <= 123.0 and tried.count(rate_rps) == 2

    found_rps = highest(100.0, every_other_time, 0.01)
    assert found_rps
    assert found_rps <= 123.0 < found_rps * 1.01


def test_where_nothing_holds_there_is_no_rate_and_an_end() -> None:
    assert highest(100.0, lambda _: False, 0.01) is None
