"""The list of results in the checkout, held against the published files and against the table of machine series."""

from datetime import date

import pytest
from pydantic import ValidationError

from analysis.estimate.benchmarks import FLOAT, FOLDER, QUANTISED, newest_benchmarks, read_benchmarks
from analysis.estimate.fitting import Basis
from analysis.estimate.speeds import newest_speeds
from stacks.machines.machine_series import ALL_SERIES, machine_series

TEXT = """
as_of = 2026-08-03
source = "somebody"

[[cpus]]
name = "AMD EPYC 7B13"
launched = 2021-03-15
results = [
    ["t2d-standard-4", 2024-06-19, 87.0, 29.9],
    ["n2d-standard-4", 2024-06-20, 48.2, 17.3],
]
"""


def test_a_result_has_the_cores_of_its_machine_type():
    found = read_benchmarks(TEXT)
    # A vCPU of T2D is a core, one of N2D half of one.
    assert [(result.series, result.cores, result.per_s) for result in found.results()] == [
        ("t2d", 4, 29.9),
        ("n2d", 2, 17.3),
    ]
    assert [result.per_s for result in found.results(QUANTISED)] == [87.0, 48.2]
    assert (found.since, found.as_of) == (date(2024, 6, 19), date(2026, 8, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        ('"somebody"', '"somebody"\nregion = "here"'),
        ("29.9]", "0]"),
        ("29.9]", '"fast"]'),
        ("29.9]", "29.9, 1.0]"),
        ("launched = 2021-03-15", ""),
    ],
)
def test_a_list_that_is_not_one_is_refused(wrong: tuple[str, str]):
    with pytest.raises(ValidationError):
        read_benchmarks(TEXT.replace(*wrong))


# Copied from SpareCores/sc-inspector-data, data/gcp/<machine type>/geekbench/results.json: "Multi-Core Performance".
@pytest.mark.parametrize(("machine_type", "object_detection", "background_blur"), [("c3-highcpu-4", 131.7, 18.8)])
def test_a_result_is_the_published_one(machine_type: str, object_detection: float, background_blur: float):
    for workload, expected in ((QUANTISED, object_detection), (FLOAT, background_blur)):
        [found] = [result for result in newest_benchmarks().results(workload) if result.machine_type == machine_type]
        assert found.per_s == expected


def test_each_cpu_is_one_that_the_series_of_its_results_has():
    for cpu in newest_benchmarks().cpus:
        for result in cpu.results:
            assert cpu.name in machine_series(result.machine_type).cpus


def test_no_machine_type_has_two_results_on_one_day_and_the_list_ends_when_it_says():
    every = [result for cpu in newest_benchmarks().cpus for result in cpu.results]
    assert len({(each.machine_type, each.measured_on) for each in every}) == len(every)
    assert max(each.measured_on for each in every) == newest_benchmarks().as_of
    assert max(path.name for path in FOLDER.iterdir()).startswith(newest_benchmarks().as_of.isoformat())


def test_a_series_in_the_list_is_known_by_its_own_results_on_each_of_its_cpus():
    series = {result.series for result in newest_benchmarks().results()}
    assert len(series) == 11
    for each in ALL_SERIES:
        if each.name in series:
            found = newest_speeds().of_series(each)
            assert found is not None
            assert found.basis is Basis.measured
