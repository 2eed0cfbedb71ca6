"""Comparisons with the best hold for all variants at once, and say what a choice may cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.best import compare_with_best, ratio
from analysis.statistics.deployments import Mean, Observation, fit_effects


def means(*log_values: float, sd: float = 0.01, degrees: float = 20) -> dict[str, Mean]:
    return {chr(ord("a") + at): Mean(value, sd**2, degrees, 3, 6) for at, value in enumerate(log_values)}


def test_all_pairs_are_compared_as_tukey_does() -> None:
    rng = np.random.default_rng(3)
    samples = {name: rng.normal(5, 0.03, 4) for name in "abcd"}
    fitted = fit_effects(
        [Observation(name, str(at), value, 1e-6) for name, each in samples.items() for at, value in enumerate(each)]
    ).means
    by_scipy = stats.tukey_hsd(*samples.values()).confidence_interval()
    for row, of in enumerate("abcd"):
        for column, to in enumerate("abcd"):
            if row != column:
                found = ratio(fitted[of], fitted[to], fitted)
                expected = np.exp([by_scipy.low[row, column], by_scipy.high[row, column]])
                assert [found.low, found.high] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("degrees", [1, 3, 20.5, 1e6])
@pytest.mark.parametrize("variants", [2, 3, 12])
def test_the_critical_value_is_that_of_the_studentized_range(variants: int, degrees: float) -> None:
    among = means(*[0.0] * variants, sd=0.1, degrees=degrees)
    expected = (
        stats.studentized_range.ppf(0.95, variants, degrees) * 0.1
    )  # of a difference: over the root of 2, times it
    assert np.log(ratio(among["a"], among["b"], among).high) == pytest.approx(expected, rel=1e-5)


def test_a_variant_that_is_certainly_cheaper_is_the_best_and_costs_nothing_more() -> None:
    standings = compare_with_best(means(0.0, 0.5, 0.6))
    assert standings["a"].is_certainly_best
    assert [each.may_be_best for each in standings.values()] == [True, False, False]
    assert standings["a"].at_most_more == 0
    assert standings["b"].at_most_more > np.expm1(0.5)


def test_variants_that_the_data_cannot_tell_apart_may_all_be_the_best() -> None:
    standings = compare_with_best(means(0.0, 0.01, 0.02))
    assert all(each.may_be_best for each in standings.values())
    assert not any(each.is_certainly_best for each in standings.values())


def test_within_the_zone_of_equivalence_a_variant_is_good_enough_whichever_is_best() -> None:
    precise = means(0.0, 0.01, 0.2, sd=0.002)
    assert [each.is_good_enough(0.05) for each in compare_with_best(precise).values()] == [True, True, False]
    assert [each.is_good_enough(0.0) for each in compare_with_best(precise).values()] == [True, False, False]


def test_a_single_variant_is_compared_with_nothing() -> None:
    standing = compare_with_best(means(0.0))["a"]
    assert standing.may_be_best
    assert standing.at_most_more == 0


# The first critical value of each kind takes a moment.
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(0.001, 0.3))
def test_some_variant_may_always_be_best_and_the_cheapest_is_among_them(values: list[float], sd: float) -> None:
    standings = compare_with_best(means(*values, sd=sd))
    assert standings[chr(ord("a") + int(np.argmin(values)))].may_be_best
    assert sum(each.is_certainly_best for each in standings.values()) <= 1
    for each in standings.values():
        assert each.may_be_best or each.at_most_more > 0
