"""Estimates the runs, hours and USD of a sweep by simulating it, with the prices and times of its stacks.

The capacities are assumed, not known: per dollar they differ between stacks as is known beforehand, else by 25 %, and
by 15 % between the candidates of one stack (standard deviations of the logarithm). A race ends earlier where they
differ more.
"""

import math
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweep.conductor.snapshot import Outcome
from sweep.fleet import Expected
from sweep.prior import VARIANT_SD, StackPrior
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.run import simulate
from sweep.simulation.world import SimulatedStack, World
from sweep.strategy import Strategy

_BETWEEN_STACKS = 0.25
_SIMULATIONS, _FEWEST, _SIMULATED_CANDIDATES = 30, 5, 600


@dataclass(frozen=True)
class Range:
    """The median of the simulated sweeps, and what 90 % of them do not exceed."""

    median: float
    high: float


@dataclass(frozen=True)
class SweepEstimate:
    """What a strategy takes, with creating, updating and destroying. `usd` is None where a stack has no price."""

    strategy: str
    simulations: int
    runs: Range
    hours: Range
    usd: Range | None


def estimate(
    settings: SweepSettings, expected: Mapping[str, Expected], strategy_of: Callable[[SweepSettings], Strategy]
) -> SweepEstimate:
    """Simulate the sweep of `settings`, without its limits, up to 30 times; fewer with more than 20 candidates."""
    simulations = min(_SIMULATIONS, max(_FEWEST, _SIMULATED_CANDIDATES // len(settings.candidates)))
    unlimited = settings.model_copy(update={"max_usd": None, "max_hours": None})
    with tempfile.TemporaryDirectory() as folder:
        ends = [
            simulate(
                Path(folder) / str(seed),
                unlimited.model_copy(update={"seed": seed}),
                Cloud(assumed_world(unlimited, expected, seed)),
                strategy_of(unlimited),
            )
            for seed in range(simulations)
        ]
    is_priced = not any(of.billed_usd_hourly is None for of in expected.values())
    return SweepEstimate(
        settings.strategy,
        simulations,
        _range(ends, lambda last: last.last.finished_runs),
        _range(ends, lambda last: last.last.hours),
        _range(ends, lambda last: last.last.usd) if is_priced else None,
    )


def _range(ends: list[Outcome], figure: Callable[[Outcome], float]) -> Range:
    figures = [figure(end) for end in ends]
    return Range(float(np.median(figures)), float(np.quantile(figures, 0.9)))


def assumed_world(settings: SweepSettings, expected: Mapping[str, Expected], seed: int) -> World:
    draw = random.Random(f"estimate {seed}")  # noqa: S311 - no secret
    stacks = {
        stack: SimulatedStack(of.usd_hourly or 1, of.billed_usd_hourly or 0, of.create_s, of.update_s, of.destroy_s)
        for stack, of in expected.items()
    }
    mean_usd = sum(of.usd_hourly for of in stacks.values()) / len(stacks)
    of_stack = {stack: draw.gauss(0, _BETWEEN_STACKS) for stack in stacks} | _drawn(settings.priors, draw)
    capacity_rps = {
        # In the middle of the rates that the search may try, so that it always finds the capacity.
        candidate.key: math.sqrt(candidate.load.lowest_rps * candidate.load.highest_rps)
        * (stacks[candidate.stack].usd_hourly / mean_usd)
        * math.exp(of_stack[candidate.stack] + draw.gauss(0, VARIANT_SD))
        for candidate in settings.candidates
    }
    return World(stacks, capacity_rps, seed=seed)


def _drawn(priors: Mapping[str, StackPrior], draw: random.Random) -> dict[str, float]:
    """What a dollar gets on each stack, as a logarithm about their mean: stacks that share a part are wrong alike."""
    parts = sorted({name for prior in priors.values() for name in prior.parts})
    errors = {name: draw.gauss(0, 1) for name in parts}
    log_costs = {
        stack: prior.log_cost + sum(errors[name] * sd for name, sd in prior.parts.items())
        for stack, prior in priors.items()
    }
    mean = sum(log_costs.values()) / max(len(log_costs), 1)
    return {stack: mean - log_cost for stack, log_cost in log_costs.items()}
