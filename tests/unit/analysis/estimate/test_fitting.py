"""Speeds of series, and their prediction from others, on results that were made from known speeds."""

import math
from datetime import date

import pytest

from analysis.estimate.fitting import (
    Basis,
    Fit,
    Result,
    carry_over,
    fit,
    kind_errors,
    left_out,
    root_mean_square,
)

# What so many cores do together in a benchmark, as a multiple of one.
TOGETHER = {1: 1.0, 2: 1.8, 4: 3.0}
LAUNCHED = {"old": date(2019, 1, 1), "middle": date(2021, 1, 1), "new": date(2023, 1, 1)}


def results(series: str, cpu: str, per_core: float, *sizes: int, factor: float = 1.0) -> list[Result]:
    return [Result(f"{series}-{size}", series, cpu, size, factor * per_core * TOGETHER[size]) for size in sizes]


def test_series_that_were_measured_in_other_sizes_are_compared_at_equal_numbers_of_cores():
    found = fit([*results("a", "old", 10, 1, 2, 4), *results("b", "new", 20, 2, 4)])
    assert found.per_core["b", "new"] - found.per_core["a", "old"] == pytest.approx(math.log(2))
    assert found.per_core["a", "old"] == pytest.approx(math.log(10))
    assert {size: math.exp(log) for size, log in found.by_cores.items()} == pytest.approx(TOGETHER)
    assert found.scatter == pytest.approx(0, abs=1e-9)


def test_one_series_on_two_cpus_has_two_speeds():
    found = fit([*results("a", "old", 10, 1, 2), *results("a", "new", 15, 2, 4)])
    assert found.per_core["a", "new"] - found.per_core["a", "old"] == pytest.approx(math.log(1.5))


def test_the_scatter_is_that_of_single_results_about_their_series():
    # Two results 0.2 apart: 0.1 from their mean each, with one degree of freedom.
    twice = [Result("a-1", "a", "old", 1, 10), Result("a-1", "a", "old", 1, 10 * math.exp(0.2))]
    assert fit(twice).scatter == pytest.approx(math.sqrt(0.1**2 + 0.1**2))


def test_a_series_is_predicted_from_the_mean_of_those_with_its_cpu():
    found = Fit({("a", "old"): 1.0, ("b", "old"): 1.2, ("c", "new"): 9.0}, {1: 0.0}, 0.1)
    assert found.predicted("old", Basis.same_cpu, LAUNCHED) == pytest.approx(1.1)
    assert found.predicted("middle", Basis.same_cpu, LAUNCHED) is None


def test_a_cpu_is_predicted_from_the_years_of_the_others():
    # 0.2 in two years; two series with one CPU count once.
    found = Fit({("a", "old"): 1.0, ("b", "old"): 1.0, ("c", "middle"): 1.2}, {1: 0.0}, 0.1)
    assert found.predicted("new", Basis.generation, LAUNCHED) == pytest.approx(1.4, abs=1e-3)
    assert found.predicted("unknown", Basis.generation, LAUNCHED) is None
    one = Fit({("a", "old"): 1.0}, {1: 0.0}, 0.1)
    assert one.predicted("new", Basis.generation, LAUNCHED) is None


def test_what_is_predicted_of_a_series_does_not_depend_on_its_own_results():
    others = [*results("a", "old", 10, 1, 2, 4), *results("b", "middle", 12, 1, 2, 4)]
    for own in (results("c", "new", 14, 1, 2), results("c", "new", 99, 1, 2)):
        found = [each for each in left_out([*others, *own], LAUNCHED, Basis.generation) if each.result.series == "c"]
        assert [math.exp(each.predicted) for each in found] == pytest.approx([14.4, 14.4 * 1.8], rel=1e-3)


def test_by_the_year_no_other_series_with_the_cpu_is_used():
    twins = [*results("c", "new", 50, 1, 2), *results("d", "new", 50, 1, 2)]
    others = [*results("a", "old", 10, 1, 2, 4), *results("b", "middle", 12, 1, 2, 4)]
    by_year = left_out([*others, *twins], LAUNCHED, Basis.generation)
    assert [math.exp(each.predicted) for each in by_year if each.result.machine_type == "c-1"] == pytest.approx(
        [14.4], rel=1e-3
    )
    by_cpu = left_out([*others, *twins], LAUNCHED, Basis.same_cpu)
    assert {each.result.series: math.exp(each.predicted) for each in by_cpu if each.result.cores == 1} == pytest.approx(
        {"c": 50, "d": 50}
    )


def test_a_size_that_no_other_series_has_is_not_predicted():
    found = left_out([*results("a", "old", 10, 1, 2), *results("b", "old", 10, 1, 2, 4)], LAUNCHED, Basis.same_cpu)
    assert {each.result.machine_type for each in found} == {"a-1", "a-2", "b-1", "b-2"}


def test_the_error_of_a_series_is_the_mean_of_its_results():
    off = [*results("a", "old", 10, 1, 2), *results("b", "old", 10, 1, 2, factor=math.exp(0.3))]
    errors = kind_errors(left_out(off, LAUNCHED, Basis.same_cpu))
    assert errors == pytest.approx({("a", "old"): -0.3, ("b", "old"): 0.3})
    assert root_mean_square(errors.values()) == pytest.approx(0.3)


def test_only_what_differs_between_cpus_counts_as_not_carried_over():
    one = Fit({("a", "old"): 1.0, ("b", "new"): 2.0}, {1: 0.0}, 0.1)
    faster = Fit({("a", "old"): 4.0, ("b", "new"): 5.0}, {1: 0.0}, 0.1)
    other = Fit({("a", "old"): 4.0, ("b", "new"): 5.2}, {1: 0.0}, 0.1)
    assert carry_over(one, faster) == pytest.approx(0)
    # 3.0 and 3.2: 0.1 from their mean each, with one degree of freedom.
    assert carry_over(one, other) == pytest.approx(math.sqrt(0.1**2 + 0.1**2))
