"""Whether a series drifts."""

import random

import pymannkendall
import pytest

from loadtest.result.validity.trend import trend_of


def noise(count: int, seed: int, memory: float = 0.0) -> list[float]:
    generator, values, last = random.Random(seed), [], 0.0
    for _ in range(count):
        last = memory * last + generator.gauss(0, 1)
        values.append(last)
    return values


def test_a_steady_climb_is_seen_with_its_slope() -> None:
    series = [0.5 * index + value for index, value in enumerate(noise(20, 3))]
    trend = trend_of(series)
    assert trend.significant(0.99)
    assert trend.slope == pytest.approx(0.5, rel=0.2)


def test_a_fall_is_as_significant_as_a_climb() -> None:
    series = [0.5 * index + value for index, value in enumerate(noise(20, 3))]
    fall, climb = trend_of([-value for value in series]), trend_of(series)
    assert fall.z == pytest.approx(-climb.z)
    assert fall.significant(0.99)


def test_the_score_is_mann_and_kendalls() -> None:
    # Ten ascending values: S = 45, variance 10·9·25/18 = 125, z = 44/√125.
    assert trend_of([float(index) for index in range(10)]).z == pytest.approx(44 / 125**0.5)


def test_independent_noise_rarely_looks_like_a_drift() -> None:
    assert sum(trend_of(noise(12, seed)).significant(0.99) for seed in range(1000)) <= 20


def test_slow_waves_are_less_of_a_drift_than_their_ranks_alone_suggest() -> None:
    waves = [trend_of(noise(40, seed, memory=0.8)) for seed in range(300)]
    assert sum(wave.significant(0.99) for wave in waves) <= 60
    # Without the correction it is about half of them.


def test_a_flat_series_and_a_short_one_show_nothing() -> None:
    assert trend_of([3.0] * 12).z == 0
    assert trend_of([1.0, 2.0, 3.0, 4.0, 5.0]).z == 0


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
@pytest.mark.parametrize("memory", [0.0, 0.4, 0.8])
def test_it_is_the_trend_that_another_implementation_finds(memory: float) -> None:
    """Hamed and Rao's test in pymannkendall, which can also make the variance smaller; ours then leaves it as it is."""
    for seed in range(100):
        series = noise(24, seed, memory)
        ours, plain = trend_of(series), pymannkendall.original_test(series)
        modified = pymannkendall.hamed_rao_modification_test(series)
        assert ours.z == pytest.approx(max(modified, plain, key=lambda result: result.var_s).z)
        assert ours.slope == pytest.approx(plain.slope)
