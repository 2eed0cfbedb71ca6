"""What runs say of candidates that have none, held against the textbook formula and against draws."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.results.run.columns import Floats
from sweep.prior import StackPrior
from sweep.strategies.evidence import CostEvidence
from sweep.strategies.foreseen import Foreseen


def prior(log_cost: float, **parts: float) -> StackPrior:
    return StackPrior(log_cost=log_cost, parts=parts)


def measured(**costs: float) -> CostEvidence:
    """These logarithms of costs, each with a standard error of 5 %, by `at_` and the number of the candidate."""
    means, information = np.zeros(4), np.zeros(4)
    for name, log_cost in costs.items():
        at = int(name.removeprefix("at_"))
        means[at], information[at] = log_cost, 1 / 0.05**2
    return CostEvidence(means, information, np.full(4, 30.0), 30.0)


# Two on one CPU, one on another, and one of which nothing is known.
PRIORS = [prior(0.0, cpu_a=0.4, own_1=0.05), prior(0.3, cpu_a=0.4, own_2=0.05), prior(0.2, cpu_b=0.4, own_3=0.05), None]
COSTS = st.dictionaries(st.integers(0, 3), st.floats(-1, 1), min_size=1)
# How far the first two may be off together, as for the CPU models that their nodes get.
MIXES = np.array([[0.1, -0.1], [0.1, -0.1], [0.0, 0.0], [0.0, 0.0]])


@given(COSTS, st.sampled_from([None, MIXES]))
def test_what_is_expected_is_a_regression_on_the_parts(costs: dict[int, float], mixes: Floats | None) -> None:
    """The unit, two CPUs, three of their own, the unknown one, and what the first two have in common."""
    evidence = replace(measured(**{f"at_{at}": log_cost for at, log_cost in costs.items()}), mixes=mixes)
    found = Foreseen.of(PRIORS).after(evidence)

    sds = np.array([10, 0.4, 0.4, 0.05, 0.05, 0.05, 10])
    of_parts = np.array(
        [[1, 1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 1]], dtype=float
    )
    expected = np.array([0.0, 0.3, 0.2, 0.5 / 3])
    seen = of_parts[list(costs)]
    noise = 0.05**2 * np.eye(4) + (0.0 if mixes is None else np.outer([0.1, 0.1, 0, 0], [0.1, 0.1, 0, 0]))
    weights = np.linalg.inv(noise[np.ix_(list(costs), list(costs))])
    precision = np.diag(1 / sds**2) + seen.T @ weights @ seen
    surprises = np.array([log_cost - expected[at] for at, log_cost in costs.items()])
    parts = np.linalg.solve(precision, seen.T @ weights @ surprises)
    means = expected + of_parts @ parts
    covariances = of_parts @ np.linalg.inv(precision) @ of_parts.T
    for leader in range(4):
        for at in set(range(4)) - {leader}:
            assert found.more(at, leader) == pytest.approx(means[at] - means[leader], abs=1e-6)
            sd = math.sqrt(covariances[at, at] + covariances[leader, leader] - 2 * covariances[at, leader])
            below = 0.5 * math.erfc((means[at] - means[leader] + 0.05) / sd / math.sqrt(2))
            assert found.chances(leader, 0.05)[at] == pytest.approx(below, abs=1e-6)


def test_one_run_tells_the_unit_and_the_chances_are_those_of_costs_that_are_drawn_so() -> None:
    rng = np.random.default_rng(5)
    cpu_a, cpu_b = rng.normal(0, 0.4, (2, 400_000))
    own_1, own_2, own_3 = rng.normal(0, 0.05, (3, 400_000))
    first, second, third = cpu_a + own_1, 0.3 + cpu_a + own_2, 0.2 + cpu_b + own_3

    chances = Foreseen.of(PRIORS).after(measured(at_0=-3.0)).chances(0, -0.25)
    assert chances[1] == pytest.approx(float((second < first + 0.25).mean()), abs=0.005)
    assert chances[2] == pytest.approx(float((third < first + 0.25).mean()), abs=0.005)


def test_a_run_says_much_of_its_cpu_and_little_of_another() -> None:
    chances = Foreseen.of(PRIORS).after(measured(at_0=0.0)).chances(0, 0.05)
    assert chances[1] < 1e-4
    assert 0.2 < chances[2] < 0.4


def test_of_one_of_which_nothing_is_known_anything_is_possible() -> None:
    foreseen = Foreseen.of(PRIORS).after(measured(at_0=0.0, at_1=0.0, at_2=0.0))
    assert foreseen.chances(0, 0.05)[3] == pytest.approx(0.5, abs=0.05)
