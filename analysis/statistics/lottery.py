"""What a variant's capacity is on each CPU model that its nodes may get, and expected over the mix of them.

The logarithm of a run's capacity is its variant's mean, plus an effect of the CPU models of its nodes, plus that of its
set of machines. The effect of a model is that of its pool (a machine series in a region), and an interaction with the
variant. Nodes draw their models independently; the shares have a Dirichlet posterior from the nodes that were seen.
Cost is the inverse of capacity, so the expected cost of a deployment of n nodes is the mean of the inverse over the
multinomial mixes of n nodes; what is called its capacity is the inverse of that.

Between the sum of its nodes and the slowest of them: if each node gets as many requests, a mixed cluster misses the
objective where its slowest node does; if each gets what it can serve, their capacities add up. Runs on mixed clusters
tell which.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import fmean
from typing import Self

import numpy as np
from scipy.special import expit, gammaln

from analysis.interval import Interval
from analysis.results.columns import Floats
from analysis.statistics.deployments import (
    MACHINES_SD,
    PRIOR_DEGREES,
    PRIOR_SD,
    Effects,
    Mean,
    Mix,
    Observation,
    fit_effects,
)
from analysis.statistics.estimate import TAIL, student_t

# How far the logarithms of the speeds of two models of one series may be apart. E2's two are 1.43 and 1.73 times apart
# in the public benchmarks of SpareCores/sc-inspector-data (data/gcp/e2-standard-8), so that a model that no run saw is
# taken to be so much faster or slower.
_CPU_SD = 0.5
_NOT_SEEN_APART, _NOT_SEEN_SD = 0.45, 0.15
# And of how much more one variant gains on a model than another variant of the series.
_INTERACTION_SD = 0.05
# Log odds of where a mixed cluster is between its slowest node (0) and the sum of its nodes (1): most likely near the
# slowest, as both balancers send each node as many requests (docs/planning.md).
_SHARED_LOGIT, _SHARED_LOGIT_SD = -2.0, 1.5
# Of the shares: uniform. Jeffreys' prior takes a model that came rarely or never to be too rare (`make bench-lottery`).
_PRIOR_NODES = 1.0
_DRAWS = 4000
_MOST_MIXES = 200
_SEED = 36
# Of the parameters, for slopes.
_STEP = 1e-6
NOT_SEEN = "a CPU model that no run saw"


@dataclass(frozen=True)
class Pool:
    """What nodes draw their CPU models from.

    `nodes` are those that were seen, by model; `not_seen` counts further models that the series is known to have.
    """

    nodes: Mapping[str, int]
    not_seen: int = 0

    @classmethod
    def of(cls, cpus: Iterable[str], models: int) -> Self:
        """Of the model of each node that was seen, and how many models the series is known to have."""
        nodes = Counter(cpus)
        return cls(nodes, max(models - len(nodes), 0))

    @property
    def is_lottery(self) -> bool:
        return len(self.cpus) > 1

    @cached_property
    def cpus(self) -> tuple[str, ...]:
        """The most frequent first: the effects of the others are relative to it."""
        seen = sorted(self.nodes, key=lambda cpu: (-self.nodes[cpu], cpu))
        return (*seen, *([NOT_SEEN] if self.not_seen else []))

    @property
    def posterior(self) -> Floats:
        """The parameters of the Dirichlet distribution of the shares."""
        prior = [_PRIOR_NODES] * len(self.nodes) + ([_PRIOR_NODES * self.not_seen] if self.not_seen else [])
        return np.array([self.nodes.get(cpu, 0) + more for cpu, more in zip(self.cpus, prior, strict=True)])


_Shares = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Draw:
    """The nodes of one run: the pool, how many nodes a deployment of its variant has, and the share on each model.

    `observation` is None where the run says only a bound.
    """

    variant: str
    pool: str
    nodes: int
    shares: Mapping[str, float]
    observation: Observation | None = None

    @property
    def mix(self) -> _Shares:
        return tuple(sorted(self.shares.items()))


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
    shifts: Mapping[tuple[str, _Shares], tuple[float, float]]

    def over_the_mix(self, draw: Draw, bound: Interval[float | None]) -> Interval[float | None]:
        """A bound of the capacity on the models of one run, as one of the expected capacity."""
        key = draw.variant, draw.mix
        if key not in self.shifts:
            return bound
        shift, margin = self.shifts[key]
        return Interval(None, bound.low * math.exp(shift - margin), bound.high * math.exp(shift + margin))


def draw_lottery(draws: Sequence[Draw], others: Sequence[Observation], pools: Mapping[str, Pool]) -> Lottery | None:
    """Fit all runs in pools with several models, together with the `others`; None where there is no such run."""
    drawn = [each for each in draws if pools[each.pool].is_lottery]
    observed = [each for each in drawn if each.observation]
    rest = [*others, *(each.observation for each in draws if each.observation and not pools[each.pool].is_lottery)]
    if not observed:
        return None
    world = _World(drawn, pools)
    variants = {variant: world.expectation(variant) for variant in dict.fromkeys(each.variant for each in drawn)}
    adjusted = [
        replace(
            each.observation,
            log_value=each.observation.log_value
            + variants[each.variant].level
            - float(world.effect(each.variant, world.best_guess, each.shares)[0]),
        )
        for each in observed
        if each.observation
    ]
    effects = fit_effects([*adjusted, *rest])
    means, expected = dict(effects.means), {}
    for variant in dict.fromkeys(each.variant for each in observed):
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
    shifts = {(each.variant, each.mix): world.shift(variants[each.variant], each) for each in drawn}
    return Lottery(replace(effects, means=means), expected, adjusted, _DRAWS, world.degrees, shifts)


@dataclass(frozen=True)
class _Expectation:
    """Draws from the posterior, for one variant.

    `relative` is the logarithm of its expected capacity, relative to that on the pool's most frequent model, and `gain`
    the same relative to the mean of its own runs. `level` is what an observation without its own effect is raised by.
    `on_cpu` is by model, relative to the mean of its runs.
    """

    pool: str
    shares: Floats
    relative: Floats
    gain: Floats
    level: float
    on_cpu: Floats


class _World:
    """The effects of models, with draws from their posterior.

    The parameters: means of variants, effects of models by pool, interactions by variant and model, and the log odds of
    how mixed clusters share their load.
    """

    def __init__(self, draws: Sequence[Draw], pools: Mapping[str, Pool]) -> None:
        self._draws, self._pools = draws, pools
        self._rng = np.random.default_rng(_SEED)
        self._variants = list(dict.fromkeys(each.variant for each in draws))
        self._pool_of = {each.variant: each.pool for each in draws}
        self._nodes_of = {each.variant: each.nodes for each in draws}
        names: list[tuple[str, ...]] = [("mean", variant) for variant in self._variants]
        for pool in dict.fromkeys(each.pool for each in draws):
            names += [("cpu", pool, cpu) for cpu in pools[pool].cpus[1:]]
        for variant in self._variants:
            names += [("own", variant, cpu) for cpu in pools[self._pool_of[variant]].cpus[1:]]
        self._at = {name: at for at, name in enumerate([*names, ("shared",)])}
        self.best_guess, covariance, self.degrees = self._fit()
        self.best_guess = self.best_guess[None, :]
        scale = np.sqrt(self.degrees / self._rng.chisquare(self.degrees, _DRAWS))
        normal = self._rng.standard_normal((_DRAWS, len(self._at)))
        self._drawn = self.best_guess + (normal * scale[:, None]) @ np.linalg.cholesky(covariance).T
        for name, at in self._at.items():
            if name[0] == "cpu" and name[2] == NOT_SEEN:
                sign = self._rng.choice([-1, 1], _DRAWS)
                self._drawn[:, at] = sign * self._rng.normal(_NOT_SEEN_APART, _NOT_SEEN_SD, _DRAWS)
        self._shares = {
            pool: self._rng.dirichlet(pools[pool].posterior, _DRAWS) for pool in set(self._pool_of.values())
        }

    def errors(self, degrees: float) -> Floats:
        return self._rng.standard_t(degrees, _DRAWS)

    def expectation(self, variant: str) -> _Expectation:
        pool = self._pool_of[variant]
        cpus, shares, nodes = self._pools[pool].cpus, self._shares[pool], self._nodes_of[variant]
        mixes = _mixes(nodes, shares.mean(axis=0), self._rng)
        log_odds = gammaln(nodes + 1) - gammaln(mixes + 1).sum(axis=1) + np.log(shares + 1e-300) @ mixes.T
        odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        costs = np.stack(
            [np.exp(-self.effect(variant, self._drawn, dict(zip(cpus, mix / nodes, strict=True)))) for mix in mixes],
            axis=1,
        )
        relative = -np.log((odds * costs).sum(axis=1))
        own, guessed = self._mean_effect(variant, self._drawn), float(self._mean_effect(variant, self.best_guess)[0])
        on_cpu = np.stack([self.effect(variant, self._drawn, {cpu: 1.0}) - own for cpu in cpus])
        gain = relative - own
        return _Expectation(pool, shares, relative, gain, float(gain.mean()) + guessed, on_cpu)

    def effect(self, variant: str, parameters: Floats, shares: Mapping[str, float]) -> Floats:
        """Of a cluster with these shares of models, by draw."""
        present = [(share, self._speed(variant, cpu, parameters)) for cpu, share in shares.items() if share]
        slowest = np.min([speed for _, speed in present], axis=0)
        if len(present) == 1:
            return np.asarray(slowest)
        total = np.log(np.sum([share * np.exp(speed) for share, speed in present], axis=0))
        return np.asarray(slowest + expit(parameters[:, self._at["shared",]]) * (total - slowest))

    def shift(self, found: _Expectation, draw: Draw) -> tuple[float, float]:
        """From a run's capacity to the expected one, and how far that may be off."""
        shifts = found.relative - self.effect(draw.variant, self._drawn, draw.shares)
        return float(shifts.mean()), student_t(self.degrees) * float(shifts.std())

    def _speed(self, variant: str, cpu: str, parameters: Floats) -> Floats:
        pool = self._pool_of[variant]
        if cpu == self._pools[pool].cpus[0]:
            return np.zeros(len(parameters))
        return np.asarray(parameters[:, self._at["cpu", pool, cpu]] + parameters[:, self._at["own", variant, cpu]])

    def _mean_effect(self, variant: str, parameters: Floats) -> Floats:
        """Of the runs whose mean is the variant's: over its sets of machines."""
        sets: dict[str, list[Floats]] = defaultdict(list)
        for each in self._draws:
            if each.variant == variant and each.observation:
                sets[each.observation.machines].append(self.effect(variant, parameters, each.shares))
        if not sets:
            return np.zeros(len(parameters))
        return np.asarray(np.mean([np.mean(effects, axis=0) for effects in sets.values()], axis=0))

    def _fit(self) -> tuple[Floats, Floats, float]:
        """The most likely parameters, their covariance, and its degrees of freedom."""
        from scipy.optimize import least_squares  # noqa: PLC0415 (takes a second)

        cells: dict[tuple[str, str, _Shares], list[Draw]] = defaultdict(list)
        for each in self._draws:
            if each.observation:
                cells[each.variant, each.observation.machines, each.mix].append(each)
        found = [[each.observation for each in runs if each.observation] for runs in cells.values()]
        values = np.array([fmean(run.log_value for run in runs) for runs in found])
        own = [
            PRIOR_SD**2 / len({run.deployment for run in runs}) + fmean(run.log_error**2 for run in runs) / len(runs)
            for runs in found
        ]
        machines = np.array([machines for _, machines, _ in cells])
        whiten = np.linalg.inv(
            np.linalg.cholesky(MACHINES_SD**2 * (machines[:, None] == machines[None, :]) + np.diag(own))
        )
        prior, prior_sd = self._prior(float(values.mean()))

        def expected(parameters: Floats) -> Floats:
            """By cell, for each row of parameters."""
            return np.array(
                [
                    parameters[:, self._at["mean", variant]] + self.effect(variant, parameters, dict(shares))
                    for variant, _, shares in cells
                ]
            )

        def residuals(parameters: Floats) -> Floats:
            found = expected(parameters[None, :])[:, 0]
            return np.concatenate([whiten @ (values - found), (parameters - prior) / prior_sd])

        def slopes(parameters: Floats) -> Floats:
            found = expected(np.vstack([parameters, parameters + _STEP * np.eye(len(parameters))]))
            return np.vstack([-whiten @ (found[:, 1:] - found[:, :1]) / _STEP, np.diag(1 / prior_sd)])

        fitted = least_squares(residuals, prior, slopes, x_scale=prior_sd)
        free = len({variant for variant, _, _ in cells}) + sum(name[0] == "cpu" for name in self._at)
        degrees = max(len(cells) - free, 0)
        squares = float(np.sum(fitted.fun[: len(cells)] ** 2))
        scale = (PRIOR_DEGREES + squares) / (PRIOR_DEGREES + degrees)
        return fitted.x, np.linalg.inv(fitted.jac.T @ fitted.jac) * scale, PRIOR_DEGREES + degrees

    def _prior(self, log_value: float) -> tuple[Floats, Floats]:
        of_kind = {
            "mean": (log_value, 10.0),
            "cpu": (0.0, _CPU_SD),
            "own": (0.0, _INTERACTION_SD),
            "shared": (_SHARED_LOGIT, _SHARED_LOGIT_SD),
        }
        prior, sd = zip(*(of_kind[name[0]] for name in self._at), strict=True)
        return np.array(prior), np.array(sd)


def _mixes(nodes: int, shares: Floats, rng: np.random.Generator) -> Floats:
    """How many nodes have each model: every way, or where there are too many, a sample of them.

    A sample is drawn once, at the mean shares; the odds weigh it for others.
    """
    kinds = len(shares)
    if math.comb(nodes + kinds - 1, kinds - 1) > _MOST_MIXES:
        return np.unique(rng.multinomial(nodes, shares, _MOST_MIXES), axis=0)
    bars = np.array(list(combinations(range(nodes + kinds - 1), kinds - 1)), dtype=int).reshape(-1, kinds - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), nodes + kinds - 1)])
    return np.diff(edges, axis=1) - 1


def _exponential(log_values: Floats, centre: float | None = None) -> Interval[float]:
    values = np.exp(log_values)
    return _quantiles(values, float(np.median(values)) if centre is None else math.exp(centre))


def _quantiles(values: Floats, centre: float) -> Interval[float]:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return Interval(centre, min(float(low), centre), max(float(high), centre))
