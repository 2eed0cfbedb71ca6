"""What a variant's capacity is on each CPU model that its nodes may get, and expected over the mix of them.

Cost is the inverse of capacity, so the expected cost of a deployment of n nodes is the mean of the inverse over the
multinomial mixes of n nodes; what is called its capacity is the inverse of that. The effects of the models are those
of analysis/statistics/cpu_models.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.interval import Interval
from analysis.results.run.columns import Floats
from analysis.statistics.cpu_models import DRAWS, NOT_SEEN, CpuModels, Draw, Pool, Shares
from analysis.statistics.deployments import Effects, Mean, Mix, Observation, fit_effects
from analysis.statistics.estimate import TAIL


@dataclass(frozen=True)
class OnCpu:
    """A variant on one CPU model: the share of the pool's nodes, and the capacity where all nodes have it.

    `nodes` are those that were seen with it. Without any, the share and the capacity are assumed.
    """

    cpu: str
    share: Interval[float]
    nodes: int
    rps: Interval[float]

    @property
    def is_seen(self) -> bool:
        return self.cpu != NOT_SEEN


@dataclass(frozen=True)
class Expected:
    """A variant over the mix. `mean` is that of the logarithm of its capacity, `rps` the same with its interval."""

    mean: Mean
    rps: Interval[float]
    cpus: tuple[OnCpu, ...]


@dataclass(frozen=True)
class Lottery:
    """The expectation of each variant that was searched in a pool with several models, and what shifts a bound.

    `runs` are those in such pools, each as if its nodes had had what is expected of the mix. `draws` is how many
    the uncertainty of a mix has, and `degrees` are those of what is known of the models.
    """

    effects: Effects
    expected: Mapping[str, Expected]
    runs: Sequence[Observation]
    draws: int
    degrees: float
    shifts: Mapping[tuple[str, Shares], tuple[float, float]]

    def over_the_mix(self, draw: Draw, bound: Interval[float | None]) -> Interval[float | None]:
        """A bound of the capacity on the models of one run, as one of the expected capacity."""
        key = draw.variant, draw.mix
        if key not in self.shifts:
            return bound
        shift, margin = self.shifts[key]
        return Interval(None, bound.low * math.exp(shift - margin), bound.high * math.exp(shift + margin))


def draw_lottery(draws: Sequence[Draw], others: Sequence[Observation], pools: Mapping[str, Pool]) -> Lottery | None:
    """Fit all runs in pools with several models, together with the `others`; None where there is no such run."""
    drawn = [draw for draw in draws if pools[draw.pool].is_lottery]
    observed = [draw for draw in drawn if draw.observation]
    rest = [*others, *(draw.observation for draw in draws if draw.observation and not pools[draw.pool].is_lottery)]
    if not observed:
        return None
    world = CpuModels(drawn, pools)
    variants = {variant: world.expectation(variant) for variant in dict.fromkeys(draw.variant for draw in drawn)}
    adjusted = [
        replace(
            draw.observation,
            log_value=draw.observation.log_value
            + variants[draw.variant].level
            - float(world.effect(draw.variant, world.best_guess, draw.shares)[0]),
        )
        for draw in observed
        if draw.observation
    ]
    effects = fit_effects([*adjusted, *rest])
    means, expected = dict(effects.means), {}
    for variant in dict.fromkeys(draw.variant for draw in observed):
        found, pool = variants[variant], pools[variants[variant].pool]
        gain = found.gain - found.gain.mean()
        means[variant] = replace(means[variant], mix=Mix(gain, world.degrees))
        by_machines = means[variant].of_machines or means[variant]
        errors = math.sqrt(by_machines.variance) * world.errors(by_machines.degrees_of_freedom)
        level = by_machines.log_value + errors
        expected[variant] = Expected(
            means[variant],
            _exponential(level + gain, by_machines.log_value),
            tuple(
                OnCpu(
                    cpu,
                    _quantiles(found.shares[:, at], float(pool.posterior[at] / pool.posterior.sum())),
                    pool.nodes.get(cpu, 0),
                    _exponential(level - found.gain.mean() + found.on_cpu[at]),
                )
                for at, cpu in enumerate(pool.cpus)
            ),
        )
    shifts = {(draw.variant, draw.mix): world.shift(variants[draw.variant], draw) for draw in drawn}
    return Lottery(replace(effects, means=means), expected, adjusted, DRAWS, world.degrees, shifts)


def _exponential(log_values: Floats, centre: float | None = None) -> Interval[float]:
    values = np.exp(log_values)
    return _quantiles(values, float(np.median(values)) if centre is None else math.exp(centre))


def _quantiles(values: Floats, centre: float) -> Interval[float]:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return Interval(centre, min(float(low), centre), max(float(high), centre))
