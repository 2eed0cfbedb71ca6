"""The strategy `race`: eliminates candidates as soon as they are certainly not the best, and ends when one is left."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sweep.prior import StackPrior
from sweep.strategies.compared import compare, lottery_of
from sweep.strategies.evidence import NEAR_ERROR, CostEvidence, Runs
from sweep.strategies.foreseen import Foreseen
from sweep.strategies.single_stage import blocks_needed
from sweep.strategies.text import (
    dearer,
    foreseen_dearer,
    no_rate,
    no_rival,
    none_chosen,
    not_measured,
)
from sweep.strategy import Decision, Observation, Standing
from sweep.tasks import Length

# Where all are alike, a race ends after this multiple of the blocks that would do were their number fixed beforehand.
_LONGEST = 2
# A candidate is eliminated after so many runs in which no rate met the objective, if no run gave a cost.
_BOUNDS = 2
# The part of the error of 5 % by which one that was not measured may be the best, of all of them together.
_FORESEEN_ERROR = 0.01


class Race:
    """In 95 % of races the chosen candidate costs at most `within` more than the best. Claimed is what a verdict says.

    It decides after each run, from the runs up to it in the order in which they ended, so what was eliminated stays so.
    Runs of any length and of any block count, each by its information (docs/adr/0057). What `priors` say of candidates,
    by key, spares runs of those that they put too far behind.
    """

    def __init__(
        self, within: float, blocks: int | None = None, priors: Mapping[str, StackPrior] | None = None
    ) -> None:
        self._within = within
        self._blocks = blocks
        self._priors = priors or {}
        # The last answer of `decide`, which it goes on from when it is asked again with one more run.
        self._last: _Progress | None = None

    def decide(self, observed: Mapping[str, Sequence[Observation]], candidates: int | None = None) -> Decision:
        pairs = ((key, run) for key, runs in observed.items() for run in runs)
        ordered = sorted(pairs, key=lambda pair: pair[1].order)
        last = self._last
        candidates = candidates or len(observed)
        among = list(observed), candidates
        if last is None or (last.keys, last.asked) != among or last.seen != ordered[: len(last.seen)]:
            priors = [self._priors.get(key) for key in observed] if self._priors else None
            last = _Progress(*among, math.log1p(self._within), self.most_blocks(candidates), priors)
        for key, run in ordered[len(last.seen) :]:
            last.add(key, run)
        self._last = last
        return last.decision()

    def length(self, block: int, candidates: int) -> Length:
        return Length.short if block == 1 and candidates > 1 else Length.full

    def most_blocks(self, candidates: int) -> int:
        return self._blocks or _LONGEST * blocks_needed(candidates, self._within)


class _Progress:
    """A race after the runs `seen`: who leads, who is eliminated and why, and the claim once one is chosen."""

    def __init__(
        self,
        keys: list[str],
        candidates: int,
        log_within: float,
        most_blocks: int,
        priors: Sequence[StackPrior | None] | None,
    ) -> None:
        self.keys, self.asked = keys, candidates
        self._foreseen = Foreseen.of(priors) if priors else None
        self.seen: list[tuple[str, Observation]] = []
        self._at = {key: at for at, key in enumerate(keys)}
        self._log_within = log_within
        self._most_blocks = most_blocks
        self._costs = Runs(len(keys))
        self._evidence = self._costs.evidence()
        self._runs = [0] * len(keys)
        self._why: dict[int, str] = {}
        self._leader: int | None = None
        self._claim = ""
        self._spared: set[int] = set()
        # The eliminated candidates that may be best, by the comparison that the claim is from.
        self._may_be_best: frozenset[str] = frozenset()
        # Each that is eliminated as unlikely takes its chance of being the best from the error; half of it at most.
        self._error_left = NEAR_ERROR

    def add(self, key: str, run: Observation) -> None:
        at = self._at[key]
        self.seen.append((key, run))
        self._runs[at] += 1
        if not run.is_bound:
            self._costs.add(at, run)
        evidence = self._evidence = self._evidence_now()
        if at in self._spared:
            self._no_longer_spared(at)
        if self._claim:
            self._compare()
            return
        if not self._costs.counts[at] and self._runs[at] >= min(_BOUNDS, self._most_blocks):
            self._why.setdefault(at, no_rate(self._runs[at]))
        measured = [at for at in self._racing() if self._costs.counts[at]]
        self._leader = min(measured, key=lambda at: (evidence.means[at], self.keys[at]), default=None)
        # The figure of a candidate without a rival is all that the sweep finds, so that it takes a full run.
        if len(self.keys) == 1 and run.length is Length.short and self._runs[at] < self._most_blocks:
            return
        if self._leader is not None:
            if self._foreseen:
                self._spare(self._foreseen.after(evidence), self._leader)
            self._judge(evidence, self._leader)
        elif not self._racing():
            self._compare()

    def decision(self) -> Decision:
        standings = dict.fromkeys(self.keys, Standing.racing)
        standings |= {self.keys[at]: Standing.eliminated for at in self._why}
        leader = None if self._leader is None else self.keys[self._leader]
        if leader is not None and self._claim:
            standings[leader] = Standing.chosen
        why = {self.keys[at]: text for at, text in self._why.items()}
        claim = self._claim + not_measured(len(self._spared)) if self._claim and self._spared else self._claim
        costs = {self.keys[at]: float(self._evidence.means[at]) for at in np.flatnonzero(self._evidence.information)}
        return Decision(standings, why, leader, claim, self._may_be_best, costs)

    def _evidence_now(self) -> CostEvidence:
        """The evidence on the costs that are expected over the CPU models, where nodes get these by chance."""
        lottery = lottery_of(self.seen)
        if lottery is None:
            return self._costs.evidence()
        expected = {run.deployment: -run.log_value for run in lottery.runs}
        costs, mixes = Runs(len(self.keys)), np.zeros((len(self.keys), lottery.draws))
        for key, run in self.seen:
            if not run.is_bound:
                costs.add(self._at[key], replace(run, log_cost=expected.get(str(run.order), run.log_cost)))
        for key, over_the_mix in lottery.expected.items():
            if over_the_mix.mean.mix:
                mixes[self._at[key]] = over_the_mix.mean.mix.log_values
        return costs.evidence(mixes, lottery.degrees)

    def _spare(self, foreseen: Foreseen, leader: int) -> None:
        """Eliminate those without a run that are unlikely to be better than the leader by what matters."""
        chances = foreseen.chances(leader, self._log_within)
        for at in self._racing():
            if not self._runs[at] and chances[at] <= _FORESEEN_ERROR / self.asked:
                self._why[at] = foreseen_dearer(math.expm1(foreseen.more(at, leader)))
                self._spared.add(at)

    def _no_longer_spared(self, at: int) -> None:
        """Its run was under way by then, and says more; if one was chosen meanwhile, that stays."""
        self._spared.remove(at)
        if self._claim and self._leader is not None and self._costs.counts[at]:
            self._why[at] = self._dearer(self._evidence, at, self._leader)
        elif self._claim:
            self._why[at] = no_rate(self._runs[at])
        else:
            del self._why[at]

    def _judge(self, evidence: CostEvidence, leader: int) -> None:
        is_far = evidence.is_far_behind(leader, self._log_within, self.asked)
        chances = evidence.chances(self._racing(), leader, self._log_within)
        most = NEAR_ERROR / 2 / max(self.asked - 1, 1)
        for at, chance in zip(self._racing(), chances.tolist(), strict=True):
            if at != leader and self._costs.counts[at] and (is_far[at] or chance <= most):
                self._why[at] = self._dearer(evidence, at, leader)
                self._error_left -= 0 if is_far[at] else chance
        racing = self._racing()
        lead = evidence.chances(racing, leader, self._log_within)[racing.index(leader)]
        if self._costs.counts[racing].all() and 1 - lead <= self._error_left:
            self._choose(evidence, leader, "too close to matter")
        elif all(self._runs[at] >= self._most_blocks for at in racing):
            self._choose(evidence, leader, "not certain, but there are no more blocks")

    def _choose(self, evidence: CostEvidence, leader: int, why: str) -> None:
        for at in set(self._racing()) - {leader}:
            self._why[at] = f"{self._dearer(evidence, at, leader)}: {why}"
        self._compare()

    def _compare(self) -> None:
        """The claim, from all runs: those that were under way when one was chosen count, too, once they end."""
        if self._leader is None:
            self._claim = none_chosen()
        elif len(self.keys) == 1:
            self._claim = no_rival()
        else:
            compared = compare(self.seen, self.keys[self._leader])
            self._claim, self._may_be_best = compared.claim, compared.may_be_best

    def _dearer(self, evidence: CostEvidence, at: int, leader: int) -> str:
        return dearer(math.expm1(evidence.means[at] - evidence.means[leader]), self._runs[at])

    def _racing(self) -> list[int]:
        return [at for at in range(len(self.keys)) if at not in self._why]
