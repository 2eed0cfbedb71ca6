"""The verdict on a store: reads every run, ranks the comparable variants for an objective, names what is excluded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from analysis.comparability import ALL_CONDITIONS
from analysis.objective import Objective
from analysis.parallel import for_each
from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore, Scan
from analysis.statistics.estimate import Estimate
from analysis.statistics.read import Read, read_figures
from analysis.statistics.repeats import over_repeats, plain_mean
from analysis.statistics.within import RunFigures
from analysis.verdict.ranking import Limit, Meets, Ranked, rank
from analysis.verdict.variants import Variant, comparable, variant_key

P99 = 0.99


@dataclass(frozen=True)
class Verdict:
    """The ranking for an objective, and the runs that are not ranked, each with its reasons.

    `not_compared` are of these the newest run of each variant that ran in a cluster, but never under the conditions of
    the ranking. `scan` is that of the store.
    """

    objective: Objective
    ranking: tuple[Ranked, ...]
    excluded: tuple[tuple[Manifest, tuple[str, ...]], ...]
    not_compared: tuple[tuple[Manifest, tuple[str, ...]], ...] = ()
    scan: Scan = field(default_factory=lambda: Scan((), (), ()))

    @property
    def best(self) -> tuple[Ranked, ...]:
        """The best variant and those tied with it; empty where none certainly meets the objective."""
        return tuple(each for each in self.ranking if each.tied_with_best)

    @property
    def conditions(self) -> dict[str, str]:
        """What is the same in all ranked runs, by the names of `analysis.comparability.ALL_CONDITIONS`."""
        return {each.name: each.value(self.ranking[0].variant.newest) for each in ALL_CONDITIONS if self.ranking}

    @property
    def is_rehearsal(self) -> bool:
        """Whether the ranked runs are of the stack `local`; those of a cluster come first."""
        return any(each.variant.newest.platform == "local" for each in self.ranking)

    @property
    def outcome(self) -> Meets:
        return next((meets for meets in Meets if any(each.meets is meets for each in self.ranking)), Meets.unsure)


def read_verdict(store: ResultsStore, objective: Objective) -> Verdict:
    scan = store.scan()
    read = for_each(partial(read_figures, store, quantiles=(P99,)), scan.manifests)
    return replace(verdict_of(zip(scan.manifests, read, strict=True), objective), scan=scan)


def verdict_of(runs: Iterable[tuple[Manifest, Read]], objective: Objective) -> Verdict:
    figures: dict[str, RunFigures] = {}
    excluded: list[tuple[Manifest, tuple[str, ...]]] = []
    rankable: list[Manifest] = []
    for manifest, (run, invalid) in runs:
        reasons = list(invalid)
        if run is not None and not (run.quantiles_ms and run.goodput_rps.value):
            reasons.append("its hold has no good answer, so it has no latency or no cost")
        if manifest.cost.hourly is None:
            reasons.append("a line item has no price, so its cost is not known")
        if run is None or reasons:
            excluded.append((manifest, tuple(reasons)))
        else:
            figures[manifest.run_id] = run
            rankable.append(manifest)
    variants, incomparable = comparable(rankable)
    excluded += incomparable
    ranked = {variant_key(manifest) for each in variants for manifest in each.manifests}
    others = {variant_key(each[0]): each for each in incomparable if each[0].platform != "local"}
    missing = {key: each for key, each in others.items() if key not in ranked}
    return Verdict(
        objective,
        rank([_ranked(variant, figures, objective) for variant in variants], objective),
        tuple(sorted(excluded, key=lambda each: each[0].run_id)),
        tuple(missing.values()),
    )


def _ranked(variant: Variant, figures: Mapping[str, RunFigures], objective: Objective) -> Ranked:
    runs = [figures[manifest.run_id] for manifest in variant.manifests]
    usd_hourly = variant.newest.cost.hourly
    assert usd_hourly is not None  # a run without a price is excluded
    p99_ms = over_repeats([run.quantiles_ms[P99] for run in runs])
    errors = plain_mean([run.error_share for run in runs]).times(100)
    limits = [Limit.of("error_rate", objective.errors * 100, errors)]
    if objective.latency_ms is not None:
        limits.insert(0, Limit.of("p99_ms", objective.latency_ms, p99_ms))
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
