"""The capacity of each variant, from what its runs say: the mean of its searches over deployments, and bounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from analysis.capacity.evidence import Evidence
from analysis.comparability import has_drawn_cpus
from analysis.interval import Interval
from analysis.results.schema.manifest import Manifest
from analysis.statistics.deployments import PRIOR_DEGREES, Effects, Mean, Observation, fit_effects, prior_sd
from analysis.statistics.estimate import Z, student_t
from analysis.statistics.lottery import Lottery, OnCpu, draw_lottery
from analysis.verdict.machines import machine_sets
from analysis.verdict.mix import draw_of, pools_of

# A run that does not say which deployment answered it is of the one deployment that its variant had.
_UNKNOWN = "unknown"

# One run, and what it says.
Told = tuple[Manifest, Evidence]


class Meets(StrEnum):
    """Whether a variant meets the objective at any rate, in the order of the ranking."""

    yes = "yes"
    unsure = "unsure"
    no = "no"


@dataclass(frozen=True)
class Capacity:
    """The capacity of a variant in requests per second; `mean` is that of its searches, None without any.

    `contradicted_by` is a bound on the other side of this mean; then `rps` covers both. Where its nodes may get several
    CPU models, `rps` and `mean` are expected over the mix, and `cpus` is the capacity on each model.
    """

    rps: Interval[float | None]
    mean: Mean | None
    contradicted_by: Interval[None] | None
    meets: Meets
    deployments: int
    evidence: tuple[Evidence, ...]
    cpus: tuple[OnCpu, ...] = ()

    @property
    def runs(self) -> int:
        return len(self.evidence)

    @property
    def certain_rps(self) -> float:
        """What a deployment can certainly serve, also on the slowest CPU model that was seen."""
        return min(self.rps.low, *(on.rps.low for on in self.cpus if on.is_seen), math.inf)

    @property
    def agreed_mean(self) -> Mean | None:
        """The mean of the searches, by which variants are compared, unless another run contradicts it."""
        return None if self.contradicted_by else self.mean


def capacities(
    told: Mapping[str, Sequence[Told]], *, over_cpus: bool = False
) -> tuple[dict[str, Capacity], Effects | None]:
    """By variant, from all of its runs that say something; and what the searches say of deployments, if there are any.

    How much deployments and runs differ is estimated from all variants together. `over_cpus`: expected over the CPU
    models that nodes get by chance; otherwise all runs of a variant were on the same.
    """
    machines = machine_sets(manifest for runs in told.values() for manifest, _ in runs)
    # By run and by variant: both sides of a comparison of two stores may have the same run.
    observed = {
        (variant, manifest.run_id): _observation(variant, manifest, evidence.rps, machines[manifest.run_id])
        for variant, runs in told.items()
        for manifest, evidence in runs
        if _is_value(evidence.rps)
    }
    lottery = _lottery(told, observed) if over_cpus else None
    assumed_sd = prior_sd(on_one_machine=any(run.platform == "local" for runs in told.values() for run, _ in runs))
    if lottery:
        effects: Effects | None = lottery.effects
    else:
        effects = fit_effects(list(observed.values()), assumed_sd) if observed else None
    deployment_sd = effects.deployment_sd if effects else assumed_sd
    return {
        variant: _capacity(runs, effects, lottery, variant, deployment_sd) for variant, runs in told.items()
    }, effects


def _lottery(told: Mapping[str, Sequence[Told]], observed: Mapping[tuple[str, str], Observation]) -> Lottery | None:
    runs = [(variant, manifest) for variant, of_variant in told.items() for manifest, _ in of_variant]
    draws = [
        draw_of(variant, manifest, observed.get((variant, manifest.run_id)))
        for variant, manifest in runs
        if has_drawn_cpus(manifest)
    ]
    others = [
        observed[variant, manifest.run_id]
        for variant, manifest in runs
        if (variant, manifest.run_id) in observed and not has_drawn_cpus(manifest)
    ]
    return draw_lottery(draws, others, pools_of(manifest for _, manifest in runs))


def _capacity(
    runs: Sequence[Told], effects: Effects | None, lottery: Lottery | None, variant: str, deployment_sd: float
) -> Capacity:
    mean = effects.means.get(variant) if effects else None
    expected = lottery.expected.get(variant) if lottery else None
    bounds = _bounds(
        [
            lottery.over_the_mix(draw_of(variant, manifest), evidence.rps) if lottery else evidence.rps
            for manifest, evidence in runs
            if not _is_value(evidence.rps)
        ],
        deployment_sd,
    )
    contradicts = mean is not None and not bounds.low <= mean.estimate.value <= bounds.high
    estimate = expected.rps if expected else mean.estimate if mean else None
    rps = _with_bounds(estimate, bounds) if estimate else bounds
    deployments = {manifest.deployment or _UNKNOWN for manifest, _ in runs}
    evidence = tuple(evidence for _, evidence in runs)
    cpus = expected.cpus if expected else ()
    return Capacity(rps, mean, bounds if contradicts else None, _meets(runs), len(deployments), evidence, cpus)


def _is_value(rps: Interval[float | None]) -> TypeGuard[Interval[float]]:
    """Whether a search has a value with both bounds; with one of them it is a bound."""
    return bool(rps.value) and rps.low > 0 and math.isfinite(rps.high)


def _observation(variant: str, manifest: Manifest, rps: Interval[float], machines: str) -> Observation:
    half_width = math.log(rps.high / rps.low) / 2
    return Observation(variant, manifest.deployment or _UNKNOWN, math.log(rps.value), half_width / Z, machines)


def _bounds(told: Sequence[Interval[float | None]], deployment_sd: float) -> Interval[None]:
    """Bounds of the mean over deployments: those of single deployments, less how much deployments differ."""
    margin = math.exp(student_t(PRIOR_DEGREES) * deployment_sd)
    low = max((each.low for each in told), default=0.0) / margin
    high = min((each.high for each in told), default=math.inf) * margin
    # Bounds of two deployments that contradict each other bound nothing between them.
    return Interval(None, min(low, high), max(low, high))


def _with_bounds(estimate: Interval[float], bounds: Interval[None]) -> Interval[float]:
    """A narrower interval where bounds on both sides of the value agree with it.

    A bound on the wrong side of the value contradicts it: then one of the runs is wrong, and it is not known which. So
    the interval reaches to that bound, and no bound makes it narrower.
    """
    if bounds.low <= estimate.value <= bounds.high:
        return Interval(estimate.value, max(estimate.low, bounds.low), min(estimate.high, bounds.high))
    if bounds.low > estimate.value:
        return Interval(estimate.value, estimate.low, max(estimate.high, bounds.low))
    return Interval(estimate.value, min(estimate.low, bounds.high), estimate.high)


def _meets(runs: Sequence[Told]) -> Meets:
    """Yes if some rate certainly meets the objective; no if not even the lowest rate that a search tries does."""
    if any(evidence.rps.low > 0 for _, evidence in runs):
        return Meets.yes
    return Meets.no if any(_fails_at_the_lowest_rate(*run) for run in runs) else Meets.unsure


def _fails_at_the_lowest_rate(manifest: Manifest, evidence: Evidence) -> bool:
    load = manifest.load
    return load.mode == "capacity" and evidence.rps.high <= load.lowest_rps
