import pytest

from bench.rate_search import highest_rate


@pytest.mark.parametrize("start_rps", [30.0, 100.0, 700.0])
def test_the_highest_passing_rate_is_found_from_below_and_from_above(start_rps: float) -> None:
    found_rps = highest_rate(start_rps, lambda rate_rps: rate_rps <= 123.0, 0.01)
    assert found_rps
    assert found_rps <= 123.0 < found_rps * 1.01


def test_a_rate_that_passes_at_the_second_attempt_passes() -> None:
    attempts: list[float] = []

    def passes_every_second_time(rate_rps: float) -> bool:
        attempts.append(rate_rps)
        return rate_rps <= 123.0 and attempts.count(rate_rps) == 2

    found_rps = highest_rate(100.0, passes_every_second_time, 0.01)
    assert found_rps
    assert found_rps <= 123.0 < found_rps * 1.01


def test_the_search_ends_without_a_rate_if_none_passes() -> None:
    assert highest_rate(100.0, lambda _: False, 0.01) is None
