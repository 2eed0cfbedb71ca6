"""Reads a results store into what the report shows: the verdict, and every run with the data of its charts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from analysis.formatting import run_name
from analysis.objective import Asked, Objective, objective_of
from analysis.parallel import for_each
from analysis.planning.replica_model.curve import Curve, curve_of
from analysis.report.charts.series import Series, series_of
from analysis.report.search_steps import SearchSteps, search_steps
from analysis.results.run.columns import RunRows, read_columns
from analysis.results.run.resource_usage import ResourceUsage, resource_usage_of
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.layout import Problem
from analysis.results.storage.store import ResultsStore
from analysis.statistics.read import Read, figures_of
from analysis.statistics.spread import QUANTILES, Repeats, repeats_of
from analysis.statistics.summary import RunSummary, summary_of
from analysis.verdict.at_one_load import P99, AtOneLoad, at_one_load
from analysis.verdict.verdict import Judged, Verdict, judge, verdict_of

_UNFINISHED = "is an unfinished run: it has rows and no manifest"


@dataclass(frozen=True)
class Run:
    """One finished run.

    `series` and `resource_usage` are None where its rows cannot be read, `curve` also where no level of load
    counts, `steps` also where it is no capacity search.
    """

    name: str
    manifest: Manifest
    summary: RunSummary
    series: Series | None
    resource_usage: ResourceUsage | None = None
    curve: Curve | None = None
    steps: SearchSteps | None = None


@dataclass(frozen=True)
class Findings:
    """All that the report shows of a store.

    `ranked`: the runs of the ranked variants, in the order of the ranking.
    `unranked`: valid runs that are not ranked, since they say nothing about the capacity, or ran in another way.
    `invalid`: runs that may not be ranked, each with its reasons.
    `repeats`: how the repeats of one update differ.
    `reproduction`: the variants under the closed loop that most of them ran under.
    """

    store_uri: str
    verdict: Verdict
    ranked: tuple[Run, ...]
    unranked: tuple[Run, ...]
    invalid: tuple[Run, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[str, ...]
    repeats: tuple[Repeats, ...] = ()
    reproduction: tuple[AtOneLoad, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.ranked + self.unranked + self.invalid

    @property
    def skipped(self) -> tuple[Problem, ...]:
        """What no figure counts: files that are wrong, and unfinished runs by their folder of rows."""
        return self.problems + tuple(Problem(folder, _UNFINISHED) for folder in self.unfinished)


def collect(store: ResultsStore, asked: Asked | Objective) -> Findings:
    """Read every finished run, once, and judge them. Raises ObjectiveError where the objective is not certain."""
    scan = store.scan()
    objective = objective_of(asked, scan.manifests)
    read = for_each(partial(_read_run, store, objective), scan.manifests)
    figures = [(run.manifest, found) for run, found, _ in read]
    verdict = verdict_of([judged for _, _, judged in read], objective, store.uri)
    runs = {run.manifest.run_id: run for run, _, _ in read}
    ranked = [manifest.run_id for each in verdict.ranking for manifest in each.variant.manifests]
    left_out = [runs[run_id] for run_id in runs if run_id not in ranked]
    return Findings(
        store_uri=store.uri,
        verdict=verdict,
        ranked=tuple(runs[run_id] for run_id in ranked),
        unranked=tuple(run for run in left_out if run.summary.valid),
        invalid=tuple(run for run in left_out if not run.summary.valid),
        problems=scan.problems,
        unfinished=scan.unfinished,
        repeats=repeats_of(figures),
        reproduction=at_one_load(figures),
    )


def _read_run(store: ResultsStore, objective: Objective, manifest: Manifest) -> tuple[Run, Read, Judged]:
    rows = read_columns(store, manifest)
    quantiles = QUANTILES if manifest.repeat else (P99,)
    run, read = run_of(manifest, rows, quantiles)
    return replace(run, steps=search_steps(manifest, rows, objective)), read, judge(manifest, rows, objective)


def run_of(manifest: Manifest, rows: RunRows, quantiles: Sequence[float]) -> tuple[Run, Read]:
    """One run with the data of its charts, and its figures with the intervals of these quantiles of the latency."""
    name, summary = run_name(manifest), summary_of(manifest, rows)
    figures = figures_of(manifest, rows, quantiles)
    if not rows.every.ok.size and rows.missing:
        return Run(name, manifest, summary, None), figures
    series = series_of(rows, manifest)
    usage = resource_usage_of(rows, manifest, series.window_s)
    curve = curve_of(rows.every, manifest.serving.replicas) if summary.valid else None
    return Run(name, manifest, summary, series, usage, curve), figures
