"""The benchmark of the estimate, on results that were made from known speeds."""

import math
from collections.abc import Iterable
from datetime import date

import pytest

from analysis.estimate.benchmarks import newest_benchmarks
from analysis.estimate.fitting import Result
from bench.estimate import _carried_over, _left_out, _of_the_mean
from bench.figures import Figure

LAUNCHED = {"Milan": date(2021, 1, 1), "Genoa": date(2023, 1, 1), "Turin": date(2025, 1, 1)}
# A core of Genoa is 1.2 times one of Milan, and one of Turin 1.2 times that.
SPEEDS = {("n2d", "Milan"): 10.0, ("c2d", "Milan"): 10.0, ("c3d", "Genoa"): 12.0, ("n4d", "Turin"): 14.4}
RESULTS = tuple(
    Result(f"{series}-standard-{2 * cores}", series, cpu, cores, speed * {2: 1.8, 4: 3.0}[cores])
    for (series, cpu), speed in SPEEDS.items()
    for cores in (2, 4)
)


def by_name(figures: Iterable[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_what_others_predict_exactly_has_no_error_and_the_right_order():
    found = by_name(_left_out(RESULTS, LAUNCHED, "a"))
    assert found["a, series left out: series and CPUs"].value == 4
    assert found["a, series left out: error of a speed"].value == pytest.approx(0, abs=0.1)
    assert found["a, series left out: rank correlation of cost"].value == pytest.approx(1, abs=0.01)
    assert found["a, by other series with its CPU: series and CPUs"].value == 2


def test_the_mean_of_the_others_knows_nothing_of_the_cpu():
    [first, _] = [left_out for left_out in _of_the_mean(RESULTS) if left_out.result.series == "n4d"]
    # Milan and Genoa count once each: the mean of log 10 and log 12, at 2 cores the smallest size.
    assert first.error == pytest.approx(math.log(14.4 / (10 * 12) ** 0.5))


def test_the_other_workload_is_graded_with_the_stated_range():
    found = by_name(_carried_over(newest_benchmarks()))
    assert 0 < found["from one workload to the other: error of a CPU"].value < 200
    assert found["pairs of series whose ratio is in the stated range"].value >= 50
