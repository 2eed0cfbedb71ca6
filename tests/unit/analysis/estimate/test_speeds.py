"""Which speed and error a series gets, from results that it has, from those of its CPU, or from the year of its CPU."""

import math
from dataclasses import replace
from datetime import date

import pytest

from analysis.estimate.fitting import Basis, Fit
from analysis.estimate.speeds import Speeds
from stacks.machines.machine_series import MachineSeries, machine_series

LAUNCHED = {
    "AMD EPYC 7B13": date(2021, 1, 1),
    "AMD EPYC 9B14": date(2023, 1, 1),
    "AMD EPYC 9B45": date(2025, 1, 1),
    "slow": date(2019, 1, 1),
}
SPEEDS = Speeds(
    fit=Fit(
        {("n2d", "AMD EPYC 7B13"): 1.0, ("c2d", "AMD EPYC 7B13"): 1.2, ("c3d", "AMD EPYC 9B14"): 1.5}, {1: 0.0}, 0.05
    ),
    launched=LAUNCHED,
    carry_over=0.3,
    errors={Basis.same_cpu: 0.1, Basis.generation: 0.4},
)


def series(name: str, *cpus: str) -> MachineSeries:
    found = machine_series(f"{name}-standard-8")
    return replace(found, cpus=cpus) if cpus else found


def test_a_series_with_results_has_no_error_of_prediction():
    found = SPEEDS.of_series(series("n2d"))
    assert found is not None
    assert (found.basis, found.per_core, found.predicted_sd) == (Basis.measured, 1.0, 0)
    assert found.cpu_sd == pytest.approx(0.3)


def test_a_series_without_results_is_known_from_others_with_its_cpu():
    found = SPEEDS.of_series(series("t2d"))
    assert found is not None
    assert (found.basis, found.per_core, found.predicted_sd) == (Basis.same_cpu, pytest.approx(1.1), 0.1)


def test_a_series_whose_cpu_nobody_has_is_known_from_its_year():
    found = SPEEDS.of_series(series("n4d"))
    assert found is not None
    # 1.1 in 2021 and 1.5 in 2023.
    assert (found.basis, found.predicted_sd) == (Basis.generation, 0.4)
    assert found.per_core == pytest.approx(1.9, abs=1e-3)


def test_nothing_is_said_of_a_series_with_a_cpu_that_nothing_is_known_of():
    assert SPEEDS.of_series(series("n4", "a new CPU")) is None
    assert SPEEDS.of_series(series("n2d", "AMD EPYC 7B13", "a new CPU")) is None


def test_a_basis_whose_error_was_not_measured_is_not_used():
    untested = replace(SPEEDS, errors={Basis.generation: 0.4})
    found = untested.of_series(series("t2d"))
    assert found is not None
    assert found.basis is Basis.generation


def test_a_series_that_gets_one_of_two_cpus_is_in_the_middle_with_their_spread_as_error():
    per_core = {**SPEEDS.fit.per_core, ("e2", "slow"): 0.6, ("e2", "fast"): 1.0}
    found = replace(SPEEDS, fit=replace(SPEEDS.fit, per_core=per_core)).of_series(series("e2", "slow", "fast"))
    assert found is not None
    assert found.per_core == pytest.approx(0.8)
    assert found.cpu_sd == pytest.approx(math.hypot(0.3, 0.2))


def test_the_least_certain_basis_is_said():
    per_core = {**SPEEDS.fit.per_core, ("e2", "slow"): 0.6}
    found = replace(SPEEDS, fit=replace(SPEEDS.fit, per_core=per_core)).of_series(series("e2", "slow", "AMD EPYC 9B45"))
    assert found is not None
    assert found.basis is Basis.generation
    assert found.predicted_sd == pytest.approx(0.4 / math.sqrt(2))


def test_what_two_series_have_in_common_cancels_in_their_ratio():
    measured, twin, predicted = (SPEEDS.of_series(series(name)) for name in ("n2d", "c2d", "t2d"))
    other = SPEEDS.of_series(series("c3d"))
    assert measured is not None
    assert twin is not None
    assert predicted is not None
    assert other is not None
    assert measured.ratio_sd(measured) == 0
    assert measured.ratio_sd(twin) == 0
    assert measured.ratio_sd(predicted) == pytest.approx(0.1)
    assert measured.ratio_sd(other) == pytest.approx(math.hypot(0.3, 0.3))
    assert predicted.ratio_sd(other) == pytest.approx(math.hypot(0.1, 0.3, 0.3))
