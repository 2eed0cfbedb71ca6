"""Comparisons with the best hold for all variants at once, and say what a choice may cost."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.best import compare_with_best, difference_of, dunnett
from analysis.statistics.deployments import Mean


def means(*log_values: float, sd: float = 0.01, degrees: float = 20) -> dict[str, Mean]:
    return {chr(ord("a") + at): Mean(value, sd**2, degrees, 3, 6) for at, value in enumerate(log_values)}


@pytest.mark.parametrize(("variants", "degrees"), [(2, 3.0), (4, 8.0), (15, 12.0), (12, 1.0)])
def test_the_critical_value_holds_for_all_others_together(variants: int, degrees: float) -> None:
    rng = np.random.default_rng(3)
    first, others = rng.normal(size=(100_000, 1)), rng.normal(size=(100_000, variants - 1))
    scale = np.sqrt(rng.chisquare(degrees, size=100_000) / degrees)
    largest = ((others - first) / math.sqrt(2)).max(axis=1) / scale
    assert np.mean(largest <= dunnett(variants, degrees)) == pytest.approx(0.95, abs=0.003)


def test_of_two_the_critical_value_is_students() -> None:
    assert [dunnett(2, degrees) for degrees in (3.0, 30.0)] == pytest.approx(stats.t.ppf(0.95, [3, 30]), rel=1e-3)
    assert dunnett(2) == pytest.approx(stats.norm.ppf(0.95))


def test_a_difference_has_the_variances_of_both_and_welchs_degrees_of_freedom() -> None:
    rng = np.random.default_rng(8)
    one, other = rng.normal(5, 0.01, 5), rng.normal(5, 0.08, 9)
    welch = stats.ttest_ind(one, other, equal_var=False)
    of, to = (
        Mean(each.mean(), each.var(ddof=1) / each.size, each.size - 1, each.size, each.size) for each in (one, other)
    )
    found = difference_of(of, to)
    assert found.degrees_of_freedom == pytest.approx(welch.df)
    assert found.log_value / math.sqrt(found.variance) == pytest.approx(welch.statistic)


def test_no_difference_has_more_degrees_of_freedom_than_all_deployments_have() -> None:
    of, to = (Mean(0.0, 1e-4, 6, 3, 3, all_degrees=4) for _ in range(2))
    assert difference_of(of, to).degrees_of_freedom == 4


def test_variants_on_other_machines_are_compared_by_their_sets_of_machines() -> None:
    by_machines = Mean(0.0, 0.06**2, 3, 1, 3)
    here, there = (Mean(0.0, 1e-4, 20, 3, 3, machines=frozenset(name), of_machines=by_machines) for name in "xy")
    assert difference_of(here, here).variance == pytest.approx(2e-4)
    assert difference_of(here, there).variance == pytest.approx(2 * 0.06**2)


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
