"""What the runs so far say about two questions: is a candidate certainly not the best, and which one is the best?

Both answers may be wrong only within the zone of equivalence `within`: what must not be eliminated is a candidate that
is better than all others by at least that much. The information of a run is 1/(its variance) and adds up over runs of
any length, so a candidate with more runs has more of it; nothing depends on when or why a run was made.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.statistics.deployments import POOLED_DEGREES, PRIOR_DEGREES
from sweep.strategy import Observation

Floats = npt.NDArray[np.float64]

# Parts of the error of 5 %: one to eliminate what is far behind, and one to tell the best from those near it. What is
# left covers that the variance is estimated.
FAR_ERROR, NEAR_ERROR = 0.01, 0.03
# How far behind, in multiples of the zone of equivalence: after one run, and after a few.
_FAR = np.array([3.0, 8.0])


@dataclass(frozen=True)
class CostEvidence:
    """By candidate: the mean logarithm of its cost, and the information on it; 0 without a run.

    `degrees_of_freedom` are those of the variance that scales the information, which each candidate has its own of, and
    `all_degrees` those of the variance that all have in common. `mixes` are draws of how far the mean may be off for
    the CPU models that nodes get by chance, by candidate and draw; those of all candidates belong together.
    """

    means: Floats
    information: Floats
    degrees_of_freedom: Floats
    all_degrees: float
    mixes: Floats | None = None
    mix_degrees: float = math.inf

    def covariances(self, measured: Sequence[int] | npt.NDArray[np.intp]) -> Floats:
        """The covariances of the means of these candidates, each of which has a run."""
        own = np.diag(1 / self.information[measured])
        return own if self.mixes is None else own + np.cov(self.mixes[measured], bias=True)

    def is_far_behind(self, leader: int, log_within: float, candidates: int) -> npt.NDArray[np.bool_]:
        """Which candidates are certainly not the best of so many `candidates` by `log_within`.

        Where CPU models come by chance, two candidates of one stack differ more certainly than those of two stacks, so
        each is compared with all others, too, with half of the error.
        """
        others = max(candidates - 1, 1)
        if self.mixes is None:
            return self._is_far_behind(leader, log_within, others)
        far = self._is_far_behind(leader, log_within, 2 * others)
        for other in np.flatnonzero(self.information):
            behind_it = self._is_far_behind(other, log_within, 2 * others**2)
            behind_it[other] = False
            far |= behind_it
        return far

    def _is_far_behind(self, leader: int | np.intp, log_within: float, tests: int) -> npt.NDArray[np.bool_]:
        """Which are certainly not better than this one by `log_within`; the error is divided by so many `tests`.

        A mixture of sequential probability ratio tests (Robbins 1970; Howard et al. 2021).
        """
        joint = self._joint(leader)
        behind = joint * (self.means - self.means[leader] + log_within)
        slopes = _FAR[:, None] * log_within
        log_ratios = np.logaddexp.reduce(slopes * behind - slopes**2 * joint / 2, axis=0)
        limit = math.log(len(_FAR) * tests / FAR_ERROR)
        degrees = self.all_degrees
        far: npt.NDArray[np.bool_] = log_ratios >= degrees / 2 * math.expm1(2 * limit / degrees)
        return far

    def chances(self, racing: Sequence[int], leader: int, log_within: float) -> Floats:
        """The probability that each that races is the best, if it is so by `log_within` and all others tie.

        That is the least favourable case (Frazier 2014, Operations Research 62), with the same chance for each
        beforehand. Student's likelihood, as the variance is estimated.
        """
        log_ratio = 2 * log_within * self._joint(leader)[racing] * (self.means[racing] - self.means[leader])
        degrees = self._joint_degrees(leader)[racing]
        chances: Floats = (1 + 2 * log_ratio / degrees) ** (-degrees / 2)
        chances /= chances.sum()
        return chances

    def _joint(self, leader: int | np.intp) -> Floats:
        """The information on how much each differs from the leader."""
        with np.errstate(divide="ignore"):
            joint: Floats = 1 / (1 / self.information + 1 / self.information[leader] + self._of_mixes(leader))
        return joint

    def _of_mixes(self, leader: int | np.intp) -> Floats | float:
        """The variance of how much each differs from the leader for the CPU models of its nodes."""
        if self.mixes is None:
            return 0.0
        variances: Floats = np.var(self.mixes - self.mixes[leader], axis=1)
        return variances

    def _joint_degrees(self, leader: int) -> Floats:
        """The degrees of freedom of how much each differs from the leader (Satterthwaite), at most those of all."""
        with np.errstate(divide="ignore", invalid="ignore"):
            variances, of_mixes = 1 / self.information, self._of_mixes(leader)
            parts = variances**2 / self.degrees_of_freedom
            total = variances + variances[leader] + of_mixes
            degrees: Floats = total**2 / (parts + parts[leader] + of_mixes**2 / self.mix_degrees)
        # A candidate without a run has an infinite variance, which is all of the difference's.
        return np.fmin(np.where(np.isnan(degrees), self.degrees_of_freedom, degrees), self.all_degrees)


class Runs:
    """The runs of each candidate, numbered from 0, that gave a cost.

    The variance of a run is its own plus that between deployments, times a factor: how much the runs of a candidate
    differ, together with how much those of all do. Until they tell, the spread between deployments is an assumption.
    """

    def __init__(self, candidates: int) -> None:
        self.counts = np.zeros(candidates, dtype=np.int64)
        self._weights, self._sums, self._squares = np.zeros((3, candidates))

    def add(self, candidate: int, run: Observation) -> None:
        self.counts[candidate] += 1
        self._weights[candidate] += run.weight
        self._sums[candidate] += run.weight * run.log_cost
        self._squares[candidate] += run.weight * run.log_cost**2

    @property
    def degrees_of_freedom(self) -> float:
        """Those of how much the runs of one candidate differ."""
        return float(np.maximum(self.counts - 1, 0).sum())

    def evidence(self, mixes: Floats | None = None, mix_degrees: float = math.inf) -> CostEvidence:
        measured = self.counts > 0
        means = np.divide(self._sums, self._weights, out=np.zeros_like(self._sums), where=measured)
        squares = np.maximum(self._squares - self._sums * means, 0)
        all_degrees = PRIOR_DEGREES + self.degrees_of_freedom
        pooled = (PRIOR_DEGREES + float(squares.sum())) / all_degrees
        degrees = POOLED_DEGREES + np.maximum(self.counts - 1, 0)
        factors = (POOLED_DEGREES * pooled + squares) / degrees
        return CostEvidence(
            means, self._weights / factors, np.minimum(degrees, all_degrees), all_degrees, mixes, mix_degrees
        )
