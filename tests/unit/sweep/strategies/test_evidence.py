import math

import numpy as np
import pytest

from sweep.strategies.evidence import CostEvidence, Runs
from sweep.strategy import Observation
from sweep.tasks import Length

_WITHIN = math.log1p(0.05)


def _run(log_cost, log_error=0.03):
    return Observation(1, 1, Length.full, log_cost, log_error)


def test_a_run_with_a_larger_error_counts_for_less():
    runs = Runs(1)
    runs.add(0, _run(0.0, log_error=0.02))
    runs.add(0, _run(1.0, log_error=0.2))

    assert runs.evidence().means[0] < 0.05


def test_runs_of_one_candidate_that_differ_more_than_they_say_lower_the_information_on_all():
    alike, apart = Runs(2), Runs(2)
    for runs, other in ((alike, 0.01), (apart, 0.3)):
        runs.add(0, _run(0.0))
        runs.add(1, _run(0.0))
        runs.add(1, _run(other))

    assert apart.evidence().information[0] < alike.evidence().information[0] / 4


def test_a_candidate_without_a_run_is_neither_behind_nor_less_likely_than_the_leader():
    evidence = CostEvidence(np.array([0.0, 0.0]), np.array([1e4, 0.0]), np.full(2, 30.0), 30.0)

    assert not evidence.is_far_behind(0, _WITHIN, 2)[1]
    assert evidence.chances([0, 1], 0, _WITHIN) == pytest.approx([0.5, 0.5])


def test_the_same_difference_is_less_certain_while_the_variance_is_little_known():
    def far(degrees):
        return CostEvidence(np.array([0.0, 0.3]), np.full(2, 250.0), np.full(2, degrees), degrees).is_far_behind(
            0, _WITHIN, 2
        )[1]

    assert far(1000.0)
    assert not far(3.0)


def test_a_candidate_whose_runs_differ_more_has_less_information_than_one_whose_runs_agree():
    runs = Runs(3)
    for at, spread in enumerate((0.001, 0.2, 0.001)):
        for block, deviation in enumerate((-1, 0, 1)):
            runs.add(at, Observation(block, block, Length.full, spread * deviation, 0.02))
    calm, noisy, other = runs.evidence().information

    assert calm == other
    assert noisy < calm / 2
