"""The strategy `grid`: every candidate in every block, and one decision at the end."""

import math
from collections.abc import Mapping, Sequence

from sweep.strategies.compared import compare, effects_of
from sweep.strategies.single_stage import blocks_needed
from sweep.strategies.text import dearer, no_rate, no_rival, none_chosen
from sweep.strategy import Decision, Observation, Standing
from sweep.tasks import Length


class Grid:
    """All candidates have as many full runs; the one with the lowest mean is chosen.

    Without `blocks`, as many as choose within the zone of equivalence of the best with 95 % certainty. What the runs
    show is claimed, by multiple comparisons with the best.
    """

    def __init__(self, within: float, blocks: int | None = None) -> None:
        self._within = within
        self._blocks = blocks

    def decide(self, observed: Mapping[str, Sequence[Observation]], candidates: int | None = None) -> Decision:
        runs = [(key, run) for key, of_one in observed.items() for run in of_one]
        effects = effects_of(runs)
        means = effects.means if effects else {}
        costs = {key: mean.log_value for key, mean in means.items()}
        leader = min(costs, key=lambda key: (costs[key], key), default=None)
        if any(len(of_one) < self.most_blocks(candidates or len(observed)) for of_one in observed.values()):
            return Decision(dict.fromkeys(observed, Standing.racing), {}, leader, "", log_costs=costs)
        standings = dict.fromkeys(observed, Standing.eliminated)
        why = {key: no_rate(len(observed[key])) for key in observed if key not in means}
        if leader is None:
            return Decision(standings, why, None, none_chosen())
        standings[leader] = Standing.chosen
        for key in means.keys() - {leader}:
            why[key] = dearer(math.expm1(costs[key] - costs[leader]), len(observed[key]))
        if len(observed) == 1:
            return Decision(standings, why, leader, no_rival(), log_costs=costs)
        compared = compare(runs, leader)
        return Decision(standings, why, leader, compared.claim, compared.may_be_best, costs)

    def length(self, block: int, candidates: int) -> Length:  # noqa: ARG002 (blocks are alike)
        return Length.full

    def most_blocks(self, candidates: int) -> int:
        return self._blocks or blocks_needed(candidates, self._within)
