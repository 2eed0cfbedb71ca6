"""The mean of each variant over its deployments, by a model with nested random effects of deployments and runs.

The logarithm of a run's figure is the variant's mean, plus a random effect of its deployment, plus one of the run
(Searle, Casella and McCulloch 1992, "Variance Components", chapter 3). Five runs on one deployment are one deployment.
Each variant has its own variance between deployments, which counts together with the one pooled over all variants, as
few deployments tell little (moderated variances: Smyth 2004, Statistical Applications in Genetics 3).

Deployments on the same machines share how fast these are. So each mean comes twice: as one of the deployments on its
machines, for comparisons with variants on the same ones, and as one of the sets of machines, for all others.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from statistics import fmean

import numpy as np

from analysis.interval import Interval
from analysis.results.run.columns import Floats
from analysis.statistics.estimate import student_t

# What is assumed of the standard deviation between deployments, as a share, and how many degrees of freedom that is
# worth. It is enough for a spread of up to about 5 % (`make bench-verdict`).
PRIOR_SD, PRIOR_DEGREES = 0.03, 3.0
# On one machine, which is a desktop's or shared: its clock rate, its other programs and its memory change by the hour,
# and a new start of the server does not show it. There 8 % and more was measured (docs/adr/0056).
_PRIOR_SD_OF_ONE_MACHINE = 0.10
# The same between sets of machines of one type and CPU model: enough for a spread of up to about 10 %.
MACHINES_SD = 0.065
# From so many degrees of freedom of all variants on, the data alone tell their pooled variance.
_ENOUGH_DEGREES = 3
# So many degrees of freedom the pooled variance counts in that of one variant. With more, a variant that varies more
# than the others looks certain; with fewer, one that does not looks uncertain.
POOLED_DEGREES = 4.0
# With fewer of its own, a variant may vary more than all others do: its variance is no less than the assumption.
_OWN_DEGREES = 2


@dataclass(frozen=True)
class Observation:
    """One run: the logarithm of its figure, and the standard error of that, from the rows of this run alone.

    `machines` names the set of machines that it ran on.
    """

    variant: str
    deployment: str
    log_value: float
    log_error: float
    machines: str = ""


@dataclass(frozen=True)
class Mix:
    """How far the mean may be off for the CPU models that its nodes get: draws from the posterior, around 0.

    The draws of all variants of a pool of machines belong together, so what is uncertain of both cancels in their
    difference: analysis/statistics/lottery.py.
    """

    log_values: Floats
    degrees: float

    def less(self, other: "Mix | None") -> "Variance":
        """The variance of the difference, or of this alone."""
        return Variance(float(np.var(self.log_values - (other.log_values if other else 0.0))), self.degrees)

    def times(self, factor: float) -> "Mix":
        return replace(self, log_values=self.log_values * factor)


@dataclass(frozen=True)
class Mean:
    """The mean logarithm of a variant over all deployments that it could have, and the variance of this estimate.

    `all_degrees` are those of the deployments of all variants together, more than which no comparison has. `machines`
    are the sets of machines that it ran on. `of_machines` is the mean over all sets of machines that it could have.
    `mix` is what is uncertain besides, where the CPU model comes by chance.
    """

    log_value: float
    variance: float
    degrees_of_freedom: float
    deployments: int
    runs: int
    all_degrees: float = math.inf
    machines: frozenset[str] = frozenset()
    of_machines: "Mean | None" = None
    mix: Mix | None = field(default=None, compare=False)

    @property
    def error(self) -> "Variance":
        """The variance of this estimate, with its degrees of freedom."""
        return Variance(self.variance, self.degrees_of_freedom)

    @property
    def estimate(self) -> Interval[float]:
        """The figure on these machines, no longer as a logarithm."""
        half = student_t(self.degrees_of_freedom) * math.sqrt(self.variance)
        return Interval(math.exp(self.log_value), math.exp(self.log_value - half), math.exp(self.log_value + half))

    def subtracted_from(self, log_value: float) -> "Mean":
        """The mean of the logarithm of a known quantity divided by the figure."""
        other = self.of_machines and self.of_machines.subtracted_from(log_value)
        return replace(self, log_value=log_value - self.log_value, of_machines=other)


@dataclass(frozen=True)
class Effects:
    """The mean of each variant, and the relative standard deviations between deployments and between their runs.

    `is_prior`: variants were deployed too few times, so how much their deployments differ is in part an assumption.
    `of_machines` are the same with sets of machines for deployments.
    """

    means: dict[str, Mean]
    deployment_sd: float
    run_sd: float
    is_prior: bool
    of_machines: "Effects | None" = None

    @property
    def compared(self) -> "Effects":
        """The effects by which variants are compared: those of machines, where not all ran on the same ones."""
        differ = len({mean.machines for mean in self.means.values()}) > 1
        return self.of_machines if differ and self.of_machines else self


@dataclass(frozen=True)
class Variance:
    """An estimated variance, and with how many degrees of freedom."""

    value: float
    degrees: float


# The runs of each deployment of one variant.
_Deployments = Mapping[str, Sequence[Observation]]


def prior_sd(*, on_one_machine: bool) -> float:
    """What is assumed between deployments on the stack `local`, or else in a cluster."""
    return _PRIOR_SD_OF_ONE_MACHINE if on_one_machine else PRIOR_SD


def fit_effects(observations: Sequence[Observation], assumed_sd: float = PRIOR_SD) -> Effects:
    """The means by variant; `assumed_sd` is what is assumed between deployments.

    Raises ValueError where a standard error is not finite: such a run is no observation.
    """
    if not all(math.isfinite(observation.log_error) for observation in observations):
        raise ValueError("a run has only a bound of its capacity, so no mean can be fitted; leave this run out")
    effects = _fit(observations, attrgetter("deployment"), assumed_sd)
    of_machines = _fit(observations, attrgetter("machines"), MACHINES_SD)
    machines: dict[str, set[str]] = defaultdict(set)
    for observation in observations:
        machines[observation.variant].add(observation.machines)
    means = {
        variant: replace(mean, machines=frozenset(machines[variant]), of_machines=of_machines.means[variant])
        for variant, mean in effects.means.items()
    }
    return replace(effects, means=means, of_machines=of_machines)


def _fit(observations: Sequence[Observation], unit: Callable[[Observation], str], assumed_sd: float) -> Effects:
    """The means over units: deployments, or sets of machines; `assumed_sd` is assumed between them."""
    variants: dict[str, dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for observation in observations:
        variants[observation.variant][unit(observation)].append(observation)
    run = _between_runs([runs for units in variants.values() for runs in units.values()])
    pooled_error = _mean_squared_error(observations)
    # A variant whose runs are less precise than those of the others has a mean that is less precise.
    within = {
        variant: Variance(
            max(run.value + _mean_squared_error(_all_runs(units)) - pooled_error, 0.0) * _runs_share(units), run.degrees
        )
        for variant, units in variants.items()
    }
    pooled = _pooled([(units, within[variant].value) for variant, units in variants.items()], assumed_sd)
    is_prior, means = _degrees(variants.values()) < _ENOUGH_DEGREES, {}
    for variant, units in variants.items():
        variance = _of_one(units, within[variant], pooled, assumed_sd)
        is_prior |= len(units) <= _OWN_DEGREES and pooled.value < assumed_sd**2
        means[variant] = Mean(
            log_value=fmean(_means(units)),
            variance=variance.value / len(units),
            degrees_of_freedom=variance.degrees,
            deployments=len(units),
            runs=len(_all_runs(units)),
            all_degrees=max(pooled.degrees, variance.degrees),
        )
    return Effects(means, math.sqrt(pooled.value), math.sqrt(run.value), is_prior)


def _between_runs(deployments: Sequence[Sequence[Observation]]) -> Variance:
    """Between runs of the same deployment, and no less than the runs' own errors: runs may agree by chance."""
    own = _mean_squared_error([run for runs in deployments for run in runs])
    degrees = sum(len(runs) - 1 for runs in deployments)
    if not degrees:
        return Variance(own, math.inf)
    pooled = sum(_squares([run.log_value for run in runs]) for runs in deployments) / degrees
    return Variance(max(own, pooled), degrees)


def _pooled(variants: Sequence[tuple[_Deployments, float]], assumed_sd: float) -> Variance:
    """Between deployments of the same variant: the variance of their means, less what their runs contribute to it."""
    degrees = _degrees(deployments for deployments, _ in variants)
    from_runs = sum((len(deployments) - 1) * within for deployments, within in variants)
    squares = max(0.0, sum(_squares(_means(deployments)) for deployments, _ in variants) - from_runs)
    if degrees >= _ENOUGH_DEGREES:
        return Variance(squares / degrees, degrees)
    # The prior counts like observed deployments: a scaled inverse chi-squared distribution (Gelman et al. 2013, 2.6).
    return Variance((PRIOR_DEGREES * assumed_sd**2 + squares) / (PRIOR_DEGREES + degrees), PRIOR_DEGREES + degrees)


def _of_one(deployments: _Deployments, within: Variance, pooled: Variance, assumed_sd: float) -> Variance:
    """Between the means of a variant's deployments: what they show, together with what all variants do."""
    own = len(deployments) - 1
    weight, common = POOLED_DEGREES, pooled.value
    if own < _OWN_DEGREES:
        weight, common = PRIOR_DEGREES, max(common, assumed_sd**2)
    if not own:
        # What is assumed or pooled between deployments and what is known of runs are two variances of their own.
        return together(Variance(common, min(weight, pooled.degrees)), within)
    both = (weight * (common + within.value) + _squares(_means(deployments))) / (weight + own)
    return Variance(max(both, within.value), min(weight + own, pooled.degrees))


def together(one: Variance, other: Variance) -> Variance:
    """The sum of two variances, with its degrees of freedom (Satterthwaite 1946)."""
    total = one.value + other.value
    return Variance(total, total**2 / (one.value**2 / one.degrees + other.value**2 / other.degrees))


def _degrees(variants: Iterable[_Deployments]) -> int:
    return sum(len(deployments) - 1 for deployments in variants)


def _runs_share(deployments: _Deployments) -> float:
    """The part of a run's variance that is left in the mean of one deployment's runs, on average."""
    return fmean(1 / len(runs) for runs in deployments.values())


def _means(deployments: _Deployments) -> list[float]:
    return [fmean(run.log_value for run in runs) for runs in deployments.values()]


def _all_runs(deployments: _Deployments) -> list[Observation]:
    return [run for runs in deployments.values() for run in runs]


def _mean_squared_error(observations: Sequence[Observation]) -> float:
    return fmean(observation.log_error**2 for observation in observations) if observations else 0.0


def _squares(values: Sequence[float]) -> float:
    """The sum of the squared differences from the mean."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)
