"""Reads a store into a verdict: figures of every run, which of them compare, and how they rank for an objective."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from analysis.parallel import for_each
from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore
from analysis.statistics.estimate import Estimate
from analysis.statistics.read import Read, read_figures
from analysis.statistics.repeats import over_repeats, plain_mean
from analysis.statistics.within import RunFigures
from analysis.verdict.objective import Objective
from analysis.verdict.ranking import Limit, Meets, Ranked, rank
from analysis.verdict.variants import Variant, comparable

P99 = 0.99


@dataclass(frozen=True)
class Excluded:
    """A run that has no place in the ranking, and why."""

    manifest: Manifest
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """The ranking for an objective, and the runs that have no place in it."""

    objective: Objective
    ranking: tuple[Ranked, ...]
    excluded: tuple[Excluded, ...]

    @property
    def best(self) -> tuple[Ranked, ...]:
        """The best and what cannot be told from it; empty where nothing surely keeps the limits."""
        return tuple(each for each in self.ranking if each.tied_with_best)

    @property
    def outcome(self) -> Meets:
        """Yes if there is a best, no if nothing keeps the limits, unsure if the data cannot tell."""
        return next((kept for kept in Meets if any(each.meets is kept for each in self.ranking)), Meets.unsure)


def judge(store: ResultsStore, objective: Objective) -> Judgement:
    """Read all finished runs of a store and rank what compares."""
    manifests = store.scan().manifests
    return judgement_of(zip(manifests, for_each(partial(_figures, store), manifests), strict=True), objective)


def judgement_of(runs: Iterable[tuple[Manifest, Read]], objective: Objective) -> Judgement:
    """The same, of runs that were read."""
    figures: dict[str, RunFigures] = {}
    excluded: list[Excluded] = []
    sound: list[Manifest] = []
    for manifest, (found, why) in runs:
        reasons = [*why, *_unrankable(manifest, found)]
        if found is None or reasons:
            excluded.append(Excluded(manifest, tuple(reasons)))
        else:
            figures[manifest.run_id] = found
            sound.append(manifest)
    compared = comparable(sound)
    excluded += [Excluded(manifest, (why,)) for manifest, why in compared.others]
    return Judgement(
        objective,
        rank([_ranked(variant, figures, objective) for variant in compared.variants], objective),
        tuple(sorted(excluded, key=lambda each: each.manifest.run_id)),
    )


def _figures(store: ResultsStore, manifest: Manifest) -> Read:
    return read_figures(store, manifest, (P99,))


def _unrankable(manifest: Manifest, figures: RunFigures | None) -> list[str]:
    reasons = []
    if figures is not None and not (figures.quantiles_ms and figures.goodput_rps.value):
        reasons.append("no good answer came within its hold, so it has no latency or no cost")
    if manifest.cost.hourly is None:
        reasons.append("something that it uses has no price, so it has no cost")
    return reasons


def _ranked(variant: Variant, figures: Mapping[str, RunFigures], objective: Objective) -> Ranked:
    runs = [figures[manifest.run_id] for manifest in variant.manifests]
    usd_hourly = variant.newest.cost.hourly
    assert usd_hourly is not None  # a run without a price is excluded
    p99_ms = over_repeats([run.quantiles_ms[P99] for run in runs])
    errors = plain_mean([run.error_share for run in runs]).times(100)
    limits = [Limit.of("error_rate", objective.errors * 100, errors)]
    if objective.p99_ms is not None:
        limits.insert(0, Limit.of("p99_ms", objective.p99_ms, p99_ms))
    if objective.budget_usd_hourly is not None:
        known = Estimate(usd_hourly, usd_hourly, usd_hourly)
        limits.append(Limit("cost", "USD an hour", objective.budget_usd_hourly, known))
    return Ranked(
        variant=variant,
        requests=sum(run.requests for run in runs),
        goodput_rps=over_repeats([run.goodput_rps for run in runs]),
        p99_ms=p99_ms,
        usd_hourly=usd_hourly,
        limits=tuple(limits),
    )
