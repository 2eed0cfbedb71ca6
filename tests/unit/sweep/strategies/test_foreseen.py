"""What runs say of candidates that have none, held against the textbook formula and against draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.prior import StackPrior
from sweep.strategies.foreseen import Foreseen
from sweep.strategy import Observation
from sweep.tasks import Length


def prior(log_cost: float, **parts: float) -> StackPrior:
    return StackPrior(log_cost=log_cost, parts=parts)


def run(log_cost: float) -> Observation:
    return Observation(0, 1, Length.full, log_cost, 0.04, deployment_sd=0.03)


# Two on one CPU, one on another, and one of which nothing is known.
PRIORS = [prior(0.0, cpu_a=0.4, own_1=0.05), prior(0.3, cpu_a=0.4, own_2=0.05), prior(0.2, cpu_b=0.4, own_3=0.05), None]
RUNS = st.lists(st.tuples(st.integers(0, 3), st.floats(-1, 1)), min_size=1, max_size=8)


@given(RUNS)
def test_run_after_run_gives_what_all_runs_give_at_once(runs: list[tuple[int, float]]) -> None:
    """Regression on the parts: the unit, two CPUs, three of their own, and the unknown one."""
    one_by_one = Foreseen(PRIORS)
    for at, log_cost in runs:
        one_by_one.add(at, run(log_cost))

    sds = np.array([10, 0.4, 0.4, 0.05, 0.05, 0.05, 10])
    of_parts = np.array(
        [[1, 1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 1]], dtype=float
    )
    expected = np.array([0.0, 0.3, 0.2, 0.5 / 3])
    weight = 1 / (0.04**2 + 0.03**2)
    seen = of_parts[[at for at, _ in runs]]
    precision = np.diag(1 / sds**2) + weight * seen.T @ seen
    surprises = np.array([log_cost - expected[at] for at, log_cost in runs])
    parts = np.linalg.solve(precision, weight * seen.T @ surprises)
    means = expected + of_parts @ parts
    covariances = of_parts @ np.linalg.inv(precision) @ of_parts.T
    for leader in range(4):
        for at in set(range(4)) - {leader}:
            assert one_by_one.more(at, leader) == pytest.approx(means[at] - means[leader], abs=1e-6)
            sd = math.sqrt(covariances[at, at] + covariances[leader, leader] - 2 * covariances[at, leader])
            below = 0.5 * math.erfc((means[at] - means[leader] + 0.05) / sd / math.sqrt(2))
            assert one_by_one.chances(leader, 0.05)[at] == pytest.approx(below, abs=1e-6)


def test_one_run_tells_the_unit_and_the_chances_are_those_of_costs_that_are_drawn_so() -> None:
    rng = np.random.default_rng(5)
    cpu_a, cpu_b = rng.normal(0, 0.4, (2, 400_000))
    own_1, own_2, own_3 = rng.normal(0, 0.05, (3, 400_000))
    first, second, third = cpu_a + own_1, 0.3 + cpu_a + own_2, 0.2 + cpu_b + own_3

    foreseen = Foreseen(PRIORS)
    foreseen.add(0, run(-3.0))
    chances = foreseen.chances(0, -0.25)
    assert chances[1] == pytest.approx(float((second < first + 0.25).mean()), abs=0.005)
    assert chances[2] == pytest.approx(float((third < first + 0.25).mean()), abs=0.005)


def test_a_run_says_much_of_its_cpu_and_little_of_another() -> None:
    foreseen = Foreseen(PRIORS)
    foreseen.add(0, run(0.0))
    chances = foreseen.chances(0, 0.05)
    assert chances[1] < 1e-4
    assert 0.2 < chances[2] < 0.4


def test_of_one_of_which_nothing_is_known_anything_is_possible() -> None:
    foreseen = Foreseen(PRIORS)
    for at in range(3):
        foreseen.add(at, run(0.0))
    assert foreseen.chances(0, 0.05)[3] == pytest.approx(0.5, abs=0.05)
