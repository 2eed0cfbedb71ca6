"""Simulated sweeps of stacks whose nodes get their CPU models by chance. Nothing is tuned on this file.

The four shapes of the published experiment get one of two models, 1.4 times apart; a fifth stack has always the same
one. The truth is the cost that is expected over the mix, by the mean of many simulated clusters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from bench.fleets.sweeps import LASTS_S, LOAD_NODE_USD_HOURLY, STACKS, UPDATE_S, candidate
from sweep.settings import SweepSettings
from sweep.simulation.world import SimulatedPool, SimulatedStack, Spread, World
from sweep.strategy import Decision, Observation, Strategy
from sweep.tasks import Length

MIXES = {"50/50": 0.5, "90/10": 0.9}
_APART, _NODE_SD = 1.4, 0.03
_NODES = {"2cpu-4gb": 8, "4cpu-8gb": 4, "8cpu-16gb": 2, "8cpu-64gb": 2}
_ALWAYS, _ALWAYS_USD_HOURLY = "2xn4d-highcpu-8", 0.72
_REPLACE_S = 300
# Of logarithms: between stacks, and between the variants of one.
_BETWEEN_STACKS, _BETWEEN_VARIANTS = 0.10, 0.10
_CLUSTERS = 20_000


@dataclass(frozen=True)
class LotterySweep:
    """A sweep and its world, with what each candidate costs in expectation, in a unit of its own."""

    settings: SweepSettings
    world: World
    costs: Mapping[str, float]

    @property
    def on_the_same_nodes(self) -> World:
        """The same, but that a stack keeps its nodes throughout the sweep."""
        stacks = {
            name: replace(stack, fresh_nodes=False, update_s=UPDATE_S) for name, stack in self.world.stacks.items()
        }
        return replace(self.world, stacks=stacks)


class NotTold:
    """A strategy that does not know the CPU models, as all did before."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def decide(self, observed: Mapping[str, Sequence[Observation]], asked: int | None = None) -> Decision:
        untold = {key: [replace(run, drawn=None) for run in runs] for key, runs in observed.items()}
        return self._strategy.decide(untold, asked)

    def length(self, block: int, candidates: int) -> Length:
        return self._strategy.length(block, candidates)

    def most_blocks(self, candidates: int) -> int:
        return self._strategy.most_blocks(candidates)


def lottery_sweep(mix: str, seed: int, within: float) -> LotterySweep:
    """The same seed gives the same."""
    rng = np.random.default_rng([seed, *mix.encode()])
    pool = SimulatedPool(
        "E2 in us-central1",
        {"CPU F": MIXES[mix], "CPU S": 1 - MIXES[mix]},
        {"CPU F": 0.0, "CPU S": -float(np.log(_APART))},
        _NODE_SD,
    )
    always = SimulatedPool("N4D in us-central1", {"CPU N": 1.0}, {"CPU N": 0.0}, _NODE_SD)
    stacks = {
        name: replace(
            stack,
            nodes=_NODES[name],
            pool=pool,
            fresh_nodes=True,
            update_s=UPDATE_S + _REPLACE_S,
        )
        for name, stack in STACKS.items()
    }
    stacks[_ALWAYS] = SimulatedStack(
        _ALWAYS_USD_HOURLY, _ALWAYS_USD_HOURLY + LOAD_NODE_USD_HOURLY, *LASTS_S, nodes=2, pool=always
    )
    candidates = [candidate(stack, inter_op) for stack in stacks for inter_op in (2, 8)]
    of_stack = {stack: rng.normal(0, _BETWEEN_STACKS) for stack in stacks}
    capacity_rps, costs = {}, {}
    for each in candidates:
        stack = stacks[each.stack]
        # So that all are as good in expectation, but for what is drawn.
        of_mix = _mean_cost(stack.nodes, stack.pool) if stack.pool else 1.0
        log_rps = np.log(100 * stack.usd_hourly * of_mix) + of_stack[each.stack] + rng.normal(0, _BETWEEN_VARIANTS)
        capacity_rps[each.key] = float(np.exp(log_rps))
        costs[each.key] = stack.usd_hourly * of_mix / capacity_rps[each.key]
    settings = SweepSettings(candidates=tuple(candidates), within=within, seed=seed)
    return LotterySweep(settings, World(stacks, capacity_rps, Spread(0.02), seed=seed), costs)


@cache
def _mean_cost_of(nodes: int, shares: tuple[float, ...], log_speeds: tuple[float, ...], sd: float) -> float:
    rng = np.random.default_rng(20261202)
    drawn = rng.choice(np.array(log_speeds), (_CLUSTERS, nodes), p=shares) + rng.normal(0, sd, (_CLUSTERS, nodes))
    return float(np.exp(-drawn.min(axis=1)).mean())


def _mean_cost(nodes: int, pool: SimulatedPool) -> float:
    """Of a cluster of so many nodes, whose slowest one decides, as a multiple of one of the speed 1."""
    return _mean_cost_of(nodes, tuple(pool.shares.values()), tuple(pool.log_speeds.values()), pool.sd)
