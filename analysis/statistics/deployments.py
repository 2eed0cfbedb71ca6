"""The mean of each variant over its deployments, by a model with nested random effects of deployments and runs.

The logarithm of a run's figure is the variant's mean, plus a random effect of its deployment, plus one of the run
(Searle, Casella and McCulloch 1992, "Variance Components", chapter 3). Their variances are pooled over all variants,
because one variant alone has too few deployments. Five runs on one deployment are one deployment.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis.interval import Interval
from analysis.statistics.estimate import student_t

# What is assumed of the standard deviation between deployments, as a share, and how many degrees of freedom that is
# worth. It is enough for a spread of up to about 5 % (`make bench-verdict`).
PRIOR_SD, PRIOR_DEGREES = 0.03, 3.0
# On one machine, which is a desktop's or shared: its clock rate, its other programs and its memory change by the hour,
# and a new start of the server does not show it. There 8 % and more was measured (docs/adr/0056).
_PRIOR_SD_OF_ONE_MACHINE = 0.10
# From so many degrees of freedom on, the data alone tell a variance.
_ENOUGH_DEGREES = 3


@dataclass(frozen=True)
class Observation:
    """One run: the logarithm of its figure, and the standard error of that, from the rows of this run alone."""

    variant: str
    deployment: str
    log_value: float
    log_error: float


@dataclass(frozen=True)
class Mean:
    """The mean logarithm of a variant over all deployments that it could have, and the variance of this estimate."""

    log_value: float
    variance: float
    degrees_of_freedom: float
    deployments: int
    runs: int

    @property
    def estimate(self) -> Interval[float]:
        """The figure, no longer as a logarithm."""
        half = student_t(self.degrees_of_freedom) * math.sqrt(self.variance)
        return Interval(math.exp(self.log_value), math.exp(self.log_value - half), math.exp(self.log_value + half))


@dataclass(frozen=True)
class Effects:
    """The mean of each variant, and the relative standard deviations between deployments and between their runs.

    `is_prior`: too few variants were deployed again, so `deployment_sd` is in part an assumption.
    """

    means: dict[str, Mean]
    deployment_sd: float
    run_sd: float
    is_prior: bool


@dataclass(frozen=True)
class _Variance:
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
    if not all(math.isfinite(each.log_error) for each in observations):
        raise ValueError("a run has only a bound of its capacity, so no mean can be fitted; leave this run out")
    variants: dict[str, dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for each in observations:
        variants[each.variant][each.deployment].append(each)
    run = _between_runs([runs for deployments in variants.values() for runs in deployments.values()])
    between = _between_deployments(variants.values(), run, assumed_sd)
    is_prior = _degrees(variants.values()) < _ENOUGH_DEGREES
    pooled_error = _mean_squared_error(observations)
    means = {}
    for variant, deployments in variants.items():
        # A variant whose runs are less precise than those of the others has a mean that is less precise.
        less_precise = _mean_squared_error(_all_runs(deployments)) - pooled_error
        within = _Variance(max(run.value + less_precise, 0.0) * _runs_share(deployments), run.degrees)
        variance = (between.value + within.value) / len(deployments)
        # Where the data tell, both together are what was observed between deployments.
        degrees = _together(between, within) if is_prior else between.degrees
        runs = len(_all_runs(deployments))
        means[variant] = Mean(fmean(_means(deployments)), variance, degrees, len(deployments), runs)
    return Effects(means, math.sqrt(between.value), math.sqrt(run.value), is_prior)


def _between_runs(deployments: Sequence[Sequence[Observation]]) -> _Variance:
    """Between runs of the same deployment, and no less than the runs' own errors: runs may agree by chance."""
    own = _mean_squared_error([run for runs in deployments for run in runs])
    degrees = sum(len(runs) - 1 for runs in deployments)
    if not degrees:
        return _Variance(own, math.inf)
    pooled = sum(_squares([run.log_value for run in runs]) for runs in deployments) / degrees
    return _Variance(max(own, pooled), degrees)


def _between_deployments(variants: Iterable[_Deployments], run: _Variance, assumed_sd: float) -> _Variance:
    """Between deployments of the same variant: the variance of their means, less what their runs contribute to it."""
    repeated = [deployments for deployments in variants if len(deployments) > 1]
    degrees = _degrees(repeated)
    from_runs = sum((len(each) - 1) * _runs_share(each) for each in repeated) * run.value
    squares = max(0.0, sum(_squares(_means(each)) for each in repeated) - from_runs)
    if degrees >= _ENOUGH_DEGREES:
        return _Variance(squares / degrees, degrees)
    # The prior counts like observed deployments: a scaled inverse chi-squared distribution (Gelman et al. 2013, 2.6).
    return _Variance((PRIOR_DEGREES * assumed_sd**2 + squares) / (PRIOR_DEGREES + degrees), PRIOR_DEGREES + degrees)


def _together(one: _Variance, other: _Variance) -> float:
    """The degrees of freedom of the sum of two variances (Satterthwaite 1946)."""
    return (one.value + other.value) ** 2 / (one.value**2 / one.degrees + other.value**2 / other.degrees)


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
    return fmean(each.log_error**2 for each in observations) if observations else 0.0


def _squares(values: Sequence[float]) -> float:
    """The sum of the squared differences from the mean."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)
