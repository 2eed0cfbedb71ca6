"""The mean of a variant covers how much its deployments differ; repeats on one deployment do not replace them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.deployments import PRIOR_DEGREES, PRIOR_SD, Observation, fit_effects

ERROR = 0.001


def observed(values: dict[str, list[list[float]]], error: float = ERROR) -> list[Observation]:
    """By variant, the logarithms of the runs of each deployment."""
    return [
        Observation(variant, f"{variant}-{number}", value, error)
        for variant, deployments in values.items()
        for number, runs in enumerate(deployments)
        for value in runs
    ]


def test_the_interval_over_deployments_is_students_t_interval_of_their_means() -> None:
    values = [4.60, 4.63, 4.58, 4.66, 4.61]
    estimate = fit_effects(observed({"a": [[value] for value in values]})).means["a"].estimate
    by_scipy = stats.ttest_1samp(values, 0).confidence_interval()
    assert (estimate.low, estimate.high) == pytest.approx((math.exp(by_scipy.low), math.exp(by_scipy.high)), rel=1e-3)


def test_repeats_on_one_deployment_do_not_count_as_deployments() -> None:
    rng = np.random.default_rng(1)
    deployments = [4.6, 4.7, 4.5, 4.65]
    few = {"a": [[value] for value in deployments]}
    many = {"a": [list(value + rng.normal(0, 1e-4, 10)) for value in deployments]}
    wide, with_repeats = (fit_effects(observed(each)).means["a"] for each in (few, many))
    assert with_repeats.runs == 40
    assert with_repeats.deployments == 4
    assert with_repeats.variance == pytest.approx(wide.variance, rel=0.01)


def test_the_variance_of_a_variant_is_drawn_to_the_one_pooled_over_all() -> None:
    rng = np.random.default_rng(4)
    sds = {"calm": 0.01, "noisy": 0.09, "others": 0.02}
    values = {name: [[value] for value in rng.normal(5, sd, 3)] for name, sd in sds.items()}
    effects = fit_effects(observed(values))
    own = {name: float(np.var([runs[0] for runs in each], ddof=1)) for name, each in values.items()}
    pooled = float(np.mean(list(own.values())))
    for name, mean in effects.means.items():
        assert min(own[name], pooled) < mean.variance * 3 < max(own[name], pooled)
        assert mean.degrees_of_freedom == 6
    assert effects.deployment_sd == pytest.approx(math.sqrt(pooled), rel=0.01)


def test_variants_that_vary_alike_have_the_variance_of_all() -> None:
    values = {"a": [[1.0], [1.02], [1.04]], "b": [[2.0], [2.02], [2.04]], "c": [[3.0], [3.02], [3.04]]}
    for mean in fit_effects(observed(values)).means.values():
        assert mean.variance == pytest.approx(0.02**2 / 3, rel=0.01)


def test_a_variant_deployed_once_takes_the_spread_of_the_others_where_that_is_the_larger_one() -> None:
    noise = np.random.default_rng(2).normal(0, 1, 8)
    for sd, taken in ((0.05, "of the others"), (0.005, "assumed")):
        values = {"once": [[5.0]], "often": [[5 + sd * value] for value in noise]}
        effects = fit_effects(observed(values))
        others_sd = math.sqrt(8 * effects.means["often"].variance)
        expected = others_sd if taken == "of the others" else PRIOR_SD
        assert math.sqrt(effects.means["once"].variance) == pytest.approx(expected, rel=0.02)
        assert effects.means["once"].degrees_of_freedom == pytest.approx(PRIOR_DEGREES, rel=0.02)
        assert effects.is_prior == (taken == "assumed")


def test_deployments_on_the_same_machines_are_one_set_of_machines() -> None:
    rng = np.random.default_rng(5)
    runs = [
        Observation(variant, f"{machines}-{number}", value, ERROR, machines)
        for variant in "ab"
        for machines in (f"{variant}1", f"{variant}2")
        for number, value in enumerate(rng.normal(5, 0.01, 4))
    ]
    effects = fit_effects(runs)
    of_machines = effects.compared
    assert of_machines is effects.of_machines
    for variant, mean in effects.means.items():
        assert (mean.deployments, mean.machines) == (8, {f"{variant}1", f"{variant}2"})
        assert of_machines.means[variant].deployments == 2
        assert of_machines.means[variant].variance > 2 * mean.variance
    assert of_machines.is_prior
    assert not effects.is_prior


@pytest.mark.parametrize("machines_sd", [0.0, 0.03, 0.10])
def test_the_spread_of_machines_is_estimated_from_variants_on_several_sets(machines_sd: float) -> None:
    rng = np.random.default_rng(6)
    runs = [
        Observation(str(variant), f"{variant}-{machines}-{number}", fast + value, ERROR, f"{variant}-{machines}")
        for variant in range(40)
        for machines, fast in enumerate(rng.normal(0, machines_sd, 4))
        for number, value in enumerate(rng.normal(5, 0.01, 2))
    ]
    of_machines = fit_effects(runs).compared
    assert of_machines.deployment_sd == pytest.approx(machines_sd, rel=0.15, abs=0.006)


def test_one_deployment_alone_takes_the_prior_and_says_so() -> None:
    effects = fit_effects(observed({"a": [[5.0, 5.0001, 4.9999, 5.0, 5.0001]]}))
    assert effects.is_prior
    mean = effects.means["a"]
    assert math.sqrt(mean.variance) == pytest.approx(PRIOR_SD, rel=0.01)
    assert mean.degrees_of_freedom == pytest.approx(PRIOR_DEGREES, rel=0.02)


def test_the_own_errors_of_runs_are_added_to_the_prior() -> None:
    effects = fit_effects(observed({"a": [[5.0]]}, error=0.04))
    assert math.sqrt(effects.means["a"].variance) == pytest.approx(math.hypot(PRIOR_SD, 0.04))
    assert effects.means["a"].degrees_of_freedom > PRIOR_DEGREES


def test_a_variant_with_less_precise_runs_has_a_less_precise_mean() -> None:
    precise, vague = observed({"a": [[5.0]]}, error=0.01), observed({"b": [[5.0]]}, error=0.2)
    means = fit_effects(precise + vague).means
    assert means["b"].variance - means["a"].variance == pytest.approx(0.2**2 - 0.01**2)


def test_a_run_without_a_bound_is_no_observation() -> None:
    with pytest.raises(ValueError, match="only a bound of its capacity"):
        fit_effects(observed({"a": [[5.0]]}, error=math.inf))


@given(
    values=st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=3), min_size=1, max_size=4),
        min_size=1,
    ),
    error=st.floats(0.001, 0.5),
    shift=st.floats(-3, 3),
)
def test_figures_in_another_unit_give_the_same_intervals(
    values: dict[str, list[list[float]]], error: float, shift: float
) -> None:
    moved = {name: [[value + shift for value in runs] for runs in each] for name, each in values.items()}
    for name, mean in fit_effects(observed(values, error)).means.items():
        other = fit_effects(observed(moved, error)).means[name]
        assert mean.variance > 0
        assert other.log_value == pytest.approx(mean.log_value + shift, abs=1e-9)
        assert other.variance == pytest.approx(mean.variance, rel=1e-6, abs=1e-9)
