"""Sweeps without stacks and time: a strategy and random costs; how often it is right, and in how many runs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sweep.strategy import Observation, Standing, Strategy
from sweep.tasks import Length


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the logarithm of the cost: between deployments, and of runs.

    Of several spreads between deployments, one is drawn for each candidate.
    `claimed` is how much larger a run's own standard error is than the truth: searches are cautious.
    """

    deployment_sd: tuple[float, ...]
    run_sd: dict[Length, float]
    claimed: float = 1.0


# Capacity searches at p99 (docs/adr/0057).
TYPICAL = Noise((0.035,), {Length.short: 0.07, Length.full: 0.035}, claimed=1.3)


@dataclass(frozen=True)
class Played:
    """How much dearer the chosen candidate is than the best, as a logarithm, and the runs by length."""

    log_regret: float
    runs: Counter[Length]


def play(strategy: Strategy, log_costs: list[float], noise: Noise, seed: int) -> Played:
    """Block after block until none races; in a block one run of each that still does, in random order."""
    rng = np.random.default_rng(seed)
    spreads = np.random.default_rng([seed, 1]).choice(noise.deployment_sd, len(log_costs))
    observed: dict[str, list[Observation]] = {str(at): [] for at in range(len(log_costs))}
    runs: Counter[Length] = Counter()
    for at, block in _turns(len(log_costs), strategy.most_blocks(len(log_costs)), rng):
        standings = strategy.decide(observed).standings
        if standings[str(at)] is Standing.racing:
            length = strategy.length(block, len(log_costs))
            sd = np.hypot(spreads[at], noise.run_sd[length])
            cost = rng.normal(log_costs[at], sd)
            observed[str(at)].append(
                Observation(runs.total(), block, length, float(cost), noise.claimed * noise.run_sd[length])
            )
            runs[length] += 1
    standings = strategy.decide(observed).standings
    chosen = next(key for key, standing in standings.items() if standing is Standing.chosen)
    return Played(log_costs[int(chosen)] - min(log_costs), runs)


def _turns(candidates: int, blocks: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    for block in range(1, blocks + 1):
        for at in rng.permutation(candidates).tolist():
            yield at, block
