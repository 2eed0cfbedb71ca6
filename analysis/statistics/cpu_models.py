"""The effects of the CPU models of a run's nodes on its capacity, with draws from what is known of them.

The logarithm of a run's capacity is its variant's mean, plus an effect of the CPU models of its nodes, plus that of its
set of machines. The effect of a model is that of its pool (a machine series in a region), and an interaction with the
variant. Nodes draw their models independently; the shares have a Dirichlet posterior from the nodes that were seen.

Between the sum of its nodes and the slowest of them: if each node gets as many requests, a mixed cluster misses the
objective where its slowest node does; if each gets what it can serve, their capacities add up. Runs on mixed clusters
tell which: the fit is made for several cases, each of which is as likely as the runs make it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from statistics import fmean
from typing import Self

import numpy as np
from scipy.special import gammaln

from analysis.results.run.columns import Floats
from analysis.statistics.deployments import (
    MACHINES_SD,
    PRIOR_DEGREES,
    PRIOR_SD,
    Observation,
)
from analysis.statistics.estimate import student_t

# How far the logarithms of the speeds of two models of one series may be apart. E2's two are 1.43 and 1.73 times apart
# in the public benchmarks of SpareCores/sc-inspector-data (data/gcp/e2-standard-8), so that a model that no run saw is
# taken to be so much faster or slower.
_CPU_SD = 0.5
_NOT_SEEN_APART, _NOT_SEEN_SD = 0.45, 0.15
# And of how much more one variant gains on a model than another variant of the series.
_INTERACTION_SD = 0.05
# Where a mixed cluster may be between its slowest node (0) and the sum of its nodes (1): quantiles of the arcsine
# distribution, which is densest at both ends, as a balancer sends each node as many requests or what it can serve.
_BALANCES = np.sin(np.pi / 2 * (np.arange(9) + 0.5) / 9) ** 2
# The prior of the shares is uniform. Jeffreys' prior takes a model that came rarely or never to be too rare
# (`make bench-lottery`).
_PRIOR_NODES = 1.0
DRAWS = 4000
_MOST_MIXES = 200
_SEED = 36
# The step of the parameters for slopes.
_STEP = 1e-6
# The fit is made again with the variance that it left so many times, or until this changes by less.
_REFITS, _SAME_VARIANCE = 4, 0.02
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
        """From the model of each node that was seen, and how many models the series is known to have."""
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


Shares = tuple[tuple[str, float], ...]


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
    def mix(self) -> Shares:
        return tuple(sorted(self.shares.items()))


@dataclass(frozen=True)
class Expectation:
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


class CpuModels:
    """The effects of models, with draws from their posterior.

    The parameters: means of variants, effects of models by pool, interactions by variant and model, and at the end
    where mixed clusters are between their slowest node and the sum of their nodes, of which each of _BALANCES has its
    own fit, as likely as the runs make it.
    """

    def __init__(self, draws: Sequence[Draw], pools: Mapping[str, Pool]) -> None:
        self._draws, self._pools = draws, pools
        self._rng = np.random.default_rng(_SEED)
        self._variants = list(dict.fromkeys(draw.variant for draw in draws))
        self._pool_of = {draw.variant: draw.pool for draw in draws}
        self._nodes_of = {draw.variant: draw.nodes for draw in draws}
        names: list[tuple[str, ...]] = [("mean", variant) for variant in self._variants]
        for pool in dict.fromkeys(draw.pool for draw in draws):
            names += [("cpu", pool, cpu) for cpu in pools[pool].cpus[1:]]
        for variant in self._variants:
            names += [("own", variant, cpu) for cpu in pools[self._pool_of[variant]].cpus[1:]]
        self._at = {name: at for at, name in enumerate(names)}
        fits, self.degrees = self._fits()
        likelihoods = np.exp([fit.log_likelihood - max(fit.log_likelihood for fit in fits) for fit in fits])
        self.best_guess = fits[int(likelihoods.argmax())].most_likely
        scale = np.sqrt(self.degrees / self._rng.chisquare(self.degrees, DRAWS))
        normal = self._rng.standard_normal((DRAWS, len(self._at))) * scale[:, None]
        counts = self._rng.multinomial(DRAWS, likelihoods / likelihoods.sum())
        self._drawn = np.vstack(
            [fit.drawn(part) for fit, part in zip(fits, np.split(normal, np.cumsum(counts)[:-1]), strict=True)]
        )
        for name, at in self._at.items():
            if name[0] == "cpu" and name[2] == NOT_SEEN:
                sign = self._rng.choice([-1, 1], DRAWS)
                self._drawn[:, at] = sign * self._rng.normal(_NOT_SEEN_APART, _NOT_SEEN_SD, DRAWS)
        self._shares = {pool: self._rng.dirichlet(pools[pool].posterior, DRAWS) for pool in set(self._pool_of.values())}

    def errors(self, degrees: float) -> Floats:
        return self._rng.standard_t(degrees, DRAWS)

    def expectation(self, variant: str) -> Expectation:
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
        return Expectation(pool, shares, relative, gain, float(gain.mean()) + guessed, on_cpu)

    def effect(self, variant: str, parameters: Floats, shares: Mapping[str, float]) -> Floats:
        """The effect for a cluster with these shares of models, by draw."""
        present = [(share, self._speed(variant, cpu, parameters)) for cpu, share in shares.items() if share]
        slowest = np.min([speed for _, speed in present], axis=0)
        if len(present) == 1:
            return np.asarray(slowest)
        total = np.log(np.sum([share * np.exp(speed) for share, speed in present], axis=0))
        return np.asarray(slowest + parameters[:, -1] * (total - slowest))

    def shift(self, found: Expectation, draw: Draw) -> tuple[float, float]:
        """From a run's capacity to the expected one, and how far that may be off."""
        shifts = found.relative - self.effect(draw.variant, self._drawn, draw.shares)
        return float(shifts.mean()), student_t(self.degrees) * float(shifts.std())

    def _speed(self, variant: str, cpu: str, parameters: Floats) -> Floats:
        pool = self._pool_of[variant]
        if cpu == self._pools[pool].cpus[0]:
            return np.zeros(len(parameters))
        return np.asarray(parameters[:, self._at["cpu", pool, cpu]] + parameters[:, self._at["own", variant, cpu]])

    def _mean_effect(self, variant: str, parameters: Floats) -> Floats:
        """The mean effect for the runs whose mean is the variant's: over its sets of machines."""
        sets: dict[str, list[Floats]] = defaultdict(list)
        for draw in self._draws:
            if draw.variant == variant and draw.observation:
                sets[draw.observation.machines].append(self.effect(variant, parameters, draw.shares))
        if not sets:
            return np.zeros(len(parameters))
        return np.asarray(np.mean([np.mean(effects, axis=0) for effects in sets.values()], axis=0))

    def _fits(self) -> tuple[list["_Fit"], float]:
        """With each balance, or with one where no deployment has two nodes; and the degrees of freedom of all."""
        runs = _Cells(self._draws)
        free = len({variant for variant, _ in runs.kinds}) + sum(name[0] == "cpu" for name in self._at)
        degrees = PRIOR_DEGREES + max(len(runs.values) - free, 0)
        prior = self._prior(float(runs.values.mean()))
        fits, start, variance = list[_Fit](), prior[0], 1.0
        for balance in _BALANCES if max(self._nodes_of.values()) > 1 else _BALANCES[:1]:
            expected = partial(self._expected, runs, float(balance))
            for _ in range(_REFITS):
                fit = _fit(runs, float(balance), expected, prior, start, variance)
                before, variance = variance, (PRIOR_DEGREES + fit.squares) / degrees
                start = fit.parameters
                if abs(variance / before - 1) < _SAME_VARIANCE:
                    break
            fits.append(fit)
        return fits, degrees

    def _expected(self, runs: "_Cells", balance: float, rows: Floats) -> Floats:
        """The logarithm of each cell, for each row of parameters."""
        rows = _with(balance, rows)
        kinds = [
            rows[:, self._at["mean", variant]] + self.effect(variant, rows, dict(mix)) for variant, mix in runs.kinds
        ]
        return np.asarray(np.array(kinds)[runs.kind])

    def _prior(self, log_value: float) -> tuple[Floats, Floats]:
        of_kind = {
            "mean": (log_value, 10.0),
            "cpu": (0.0, _CPU_SD),
            "own": (0.0, _INTERACTION_SD),
        }
        prior, sd = zip(*(of_kind[name[0]] for name in self._at), strict=True)
        return np.array(prior), np.array(sd)


class _Cells:
    """Runs of one variant on one set of machines and one mix of models, of which `values` are the mean logarithms.

    `kinds` are variants with a mix, and `kind` which of them each cell is. `whiten` makes the errors of the cells
    independent with variance 1, where machines differ as assumed.
    """

    def __init__(self, draws: Sequence[Draw]) -> None:
        cells: dict[tuple[str, str, Shares], list[Observation]] = defaultdict(list)
        for draw in draws:
            if draw.observation:
                cells[draw.variant, draw.observation.machines, draw.mix].append(draw.observation)
        self.kinds = list(dict.fromkeys((variant, mix) for variant, _, mix in cells))
        self.kind = np.array([self.kinds.index((variant, mix)) for variant, _, mix in cells])
        self.values = np.array([fmean(run.log_value for run in runs) for runs in cells.values()])
        machines = np.array([machines for _, machines, _ in cells])
        own = [
            PRIOR_SD**2 / len({run.deployment for run in runs}) + fmean(run.log_error**2 for run in runs) / len(runs)
            for runs in cells.values()
        ]
        assumed = MACHINES_SD**2 * (machines[:, None] == machines[None, :]) + np.diag(own)
        self.whiten = np.linalg.inv(np.linalg.cholesky(assumed))


@dataclass(frozen=True)
class _Fit:
    """The most likely parameters with their covariance, and the sum of the squares of the errors of the cells.

    `log_likelihood` is over all parameters, and all variances of cells.
    """

    balance: float
    parameters: Floats
    covariance: Floats
    squares: float
    log_likelihood: float

    @property
    def most_likely(self) -> Floats:
        return _with(self.balance, self.parameters[None, :])

    def drawn(self, normal: Floats) -> Floats:
        return _with(self.balance, self.parameters + normal @ np.linalg.cholesky(self.covariance).T)


def _fit(
    runs: _Cells,
    balance: float,
    expected: Callable[[Floats], Floats],
    prior: tuple[Floats, Floats],
    start: Floats,
    variance: float,
) -> _Fit:
    """Where errors of cells have this multiple of the variance that is assumed."""
    from scipy.optimize import least_squares  # noqa: PLC0415 (takes a second)

    cells, whiten, (most_likely, sd) = len(runs.values), runs.whiten / math.sqrt(variance), prior

    def residuals(parameters: Floats) -> Floats:
        errors = runs.values - expected(parameters[None, :])[:, 0]
        return np.concatenate([whiten @ errors, (parameters - most_likely) / sd])

    def slopes(parameters: Floats) -> Floats:
        found = expected(np.vstack([parameters, parameters + _STEP * np.eye(len(parameters))]))
        return np.vstack([-whiten @ (found[:, 1:] - found[:, :1]) / _STEP, np.diag(1 / sd)])

    fitted = least_squares(residuals, start, slopes, x_scale=sd)
    information = fitted.jac.T @ fitted.jac
    squares, unlikely = variance * np.sum(fitted.fun[:cells] ** 2), np.sum(fitted.fun[cells:] ** 2)
    likelihood = (
        (PRIOR_DEGREES + cells) * math.log(PRIOR_DEGREES + squares) + unlikely + np.linalg.slogdet(information)[1]
    )
    return _Fit(balance, fitted.x, np.linalg.inv(information), float(squares), -0.5 * float(likelihood))


def _with(balance: float, parameters: Floats) -> Floats:
    return np.hstack([parameters, np.full((len(parameters), 1), balance)])


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
