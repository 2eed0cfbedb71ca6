"""The verdict on a store: what each run says of the capacity, the ranking of variants by cost, and what to run next."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from analysis.capacity.evidence import Evidence, NoEvidence, evidence_of
from analysis.comparability import CONDITIONS, CPU, cpu_shares
from analysis.objective import Asked, Objective, objective_of
from analysis.parallel import for_each
from analysis.pricing import ON_DEMAND, Usage
from analysis.pricing.notes import price_notes
from analysis.results.run.columns import RunRows, read_columns
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore, Scan
from analysis.statistics.deployments import Effects
from analysis.statistics.estimate import known_price_of
from analysis.statistics.read import why_invalid
from analysis.verdict.capacity import Meets, capacities
from analysis.verdict.left_out import LeftOut, left_out_for_cpu
from analysis.verdict.next_steps import NextStep, next_steps
from analysis.verdict.prices import at_price, price_sentences, why_not_priced
from analysis.verdict.ranking import Ranked, rank
from analysis.verdict.sweep_commands import DEFAULT_STORE
from analysis.verdict.variants import comparable, variant_key


@dataclass(frozen=True)
class Judged:
    """A run, why it may not be ranked, if there is a reason, and what it says of the capacity."""

    manifest: Manifest
    reasons: tuple[str, ...]
    said: Evidence | NoEvidence

    @property
    def why_excluded(self) -> tuple[str, ...]:
        """Empty for a run that is ranked."""
        return self.reasons or ((self.said.reason,) if isinstance(self.said, NoEvidence) else ())


@dataclass(frozen=True)
class Verdict:
    """The ranking for an objective, and the runs that are not ranked, each with its reasons.

    `left_out` are of these the runs that differ from the ranked ones in their CPUs alone, and `not_compared` the newest
    run of each variant that was measured, but never under the conditions of the ranking, for other reasons. `effects`
    is what the searches say of deployments. `is_rehearsal`: the runs are of the stack `local`; those of a cluster come
    first. `scan` is that of the store. `usage` is how the machines are bought by whose price variants are ranked.
    """

    objective: Objective
    ranking: tuple[Ranked, ...]
    excluded: tuple[tuple[Manifest, tuple[str, ...]], ...]
    left_out: tuple[LeftOut, ...] = ()
    not_compared: tuple[tuple[Manifest, tuple[str, ...]], ...] = ()
    next: tuple[NextStep, ...] = ()
    effects: Effects | None = None
    is_rehearsal: bool = False
    scan: Scan = field(default_factory=lambda: Scan((), (), ()))
    usage: Usage = ON_DEMAND

    @property
    def best(self) -> tuple[Ranked, ...]:
        """The variants that may be the best; empty where none certainly meets the objective."""
        return tuple(each for each in self.ranking if each.standing and each.standing.may_be_best)

    @property
    def conditions(self) -> dict[str, str]:
        """What is the same in all ranked runs, by the names of `analysis.comparability.CONDITIONS`.

        Of several servers, the builds of all of them; of several CPU models, which come by chance, all of them.
        """
        newest = [each.variant.newest for each in self.ranking]
        found = {each.name: ", ".join(dict.fromkeys(map(each.value, newest))) for each in CONDITIONS if newest}
        runs = [run for each in self.ranking for run in each.variant.manifests]
        if len(set(map(CPU.value, runs))) > 1:
            found[CPU.name] = " or ".join(sorted({cpu for run in runs for cpu in cpu_shares(run)}))
        return found

    @property
    def price_notes(self) -> tuple[str, ...]:
        """What tells the prices of the ranked variants apart besides their size, and what they leave out."""
        newest = [each.variant.newest for each in self.ranking]
        of_usage = price_sentences(self.usage, newest[0].cost.prices_as_of if newest else None)
        return (*of_usage, *price_notes(((run.stack, run.shape.machine_type) for run in newest), self.usage))

    @property
    def outcome(self) -> Meets:
        return next((meets for meets in Meets if any(each.meets is meets for each in self.ranking)), Meets.unsure)


def read_verdict(store: ResultsStore, asked: Asked | Objective, usage: Usage = ON_DEMAND) -> Verdict:
    """Read every run and judge it, by the price of machines that are bought in this way.

    Raises ObjectiveError where the objective is not certain.
    """
    scan = store.scan()
    objective = objective_of(asked, scan.manifests)
    priced = [at_price(manifest, usage) for manifest in scan.manifests]
    judged = for_each(partial(read_and_judge, store, objective, usage=usage), priced)
    return replace(verdict_of(judged, objective, store.uri), scan=scan, usage=usage)


def judge(manifest: Manifest, rows: RunRows, objective: Objective, usage: Usage = ON_DEMAND) -> Judged:
    reasons = why_invalid(manifest, rows)
    if manifest.cost.hourly is None:
        reasons.append(why_not_priced(manifest.cost, usage))
    nothing = NoEvidence(manifest.run_id, "no objective is known")
    said = nothing if objective.latency_ms is None else evidence_of(manifest, rows, objective)
    return Judged(manifest, tuple(reasons), said)


def verdict_of(
    runs: Iterable[Judged], objective: Objective, store_uri: str = DEFAULT_STORE, *, over_cpus: bool = True
) -> Verdict:
    """The verdict on runs of the results store at `store_uri`, which further ones are to go to."""
    judged = {run.manifest.run_id: run for run in runs}
    excluded = [(run.manifest, why) for run in judged.values() if (why := run.why_excluded)]
    said = {run_id: run.said for run_id, run in judged.items() if isinstance(run.said, Evidence) and not run.reasons}
    variants, incomparable = comparable(judged[run_id].manifest for run_id in said)
    told = {
        variant.label: [(manifest, said[manifest.run_id]) for manifest in variant.manifests] for variant in variants
    }
    found, effects = capacities(told, over_cpus=over_cpus)
    ranking = rank(
        [Ranked(variant, found[variant.label], known_price_of(variant.newest)) for variant in variants], objective
    )
    measured = {variant_key(variant.newest) for variant in variants}
    silent = [run.manifest for run in judged.values() if not run.reasons and isinstance(run.said, NoEvidence)]
    left_out = left_out_for_cpu((run for run, _ in incomparable), (variant.newest for variant in variants))
    measured |= {variant_key(run) for each in left_out for run in each.manifests}
    others = {variant_key(run): (run, why) for run, why in incomparable if run.platform != "local"}
    return Verdict(
        objective,
        ranking,
        tuple(sorted((*excluded, *incomparable), key=lambda each: each[0].run_id)),
        left_out,
        tuple(each for key, each in others.items() if key not in measured),
        next_steps(ranking, silent, objective, effects, store_uri),
        effects,
        {run.platform for run in (*(variant.newest for variant in variants), *silent)} == {"local"},
    )


def read_and_judge(store: ResultsStore, objective: Objective, manifest: Manifest, usage: Usage = ON_DEMAND) -> Judged:
    return judge(manifest, read_columns(store, manifest), objective, usage)
