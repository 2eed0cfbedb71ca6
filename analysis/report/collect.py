"""Reads a store into what the report says: the verdict, every run, and which runs count."""

from dataclasses import dataclass
from functools import partial

import duckdb

from analysis.manifest import Manifest
from analysis.meanwhile import Meanwhile, read_meanwhile
from analysis.planning.curve import Curve, read_curve
from analysis.planning.model import balancer_of
from analysis.processes import for_each
from analysis.report.series import Series, read_series
from analysis.report.text import run_names
from analysis.rows import open_rows
from analysis.statistics.spread import Repeats, read_repeats
from analysis.store import Problem, ResultsStore
from analysis.summary import RunSummary, summarise
from analysis.verdict.judge import Judgement, judge
from analysis.verdict.objective import Objective


@dataclass(frozen=True)
class Run:
    """One finished run.

    `series` and `meanwhile` are None where its rows cannot be read, `curve` also where no level of load counts.
    """

    name: str
    manifest: Manifest
    summary: RunSummary
    series: Series | None
    meanwhile: Meanwhile | None = None
    curve: Curve | None = None


@dataclass(frozen=True)
class Findings:
    """A store as the report tells it.

    `ranked`: the runs of the ranked variants, in the order of the ranking.
    `unranked`: valid runs that are not compared, since they were measured otherwise or lack a figure.
    `invalid`: runs that must not be compared, each with its reasons.
    `repeats`: how the runs of one update spread.
    """

    store_uri: str
    judgement: Judgement
    ranked: tuple[Run, ...]
    unranked: tuple[Run, ...]
    invalid: tuple[Run, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[str, ...]
    repeats: tuple[Repeats, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """All finished runs, in the order of the report."""
        return self.ranked + self.unranked + self.invalid

    def why_left_out(self, run: Run) -> tuple[str, ...]:
        """Why a run has no place in the ranking."""
        return next(each.reasons for each in self.judgement.excluded if each.manifest.run_id == run.summary.run_id)


def collect(store: ResultsStore, objective: Objective) -> Findings:
    """Read every finished run and judge them."""
    scan = store.scan()
    judgement = judge(store, objective, scan.manifests)
    names = run_names(scan.manifests)
    read = for_each(partial(_read_run, store, names), scan.manifests)
    runs = {run.manifest.run_id: run for run in read}
    ranked = [manifest.run_id for each in judgement.ranking for manifest in each.variant.manifests]
    left_out = [runs[run_id] for run_id in runs if run_id not in ranked]
    return Findings(
        store_uri=store.uri,
        judgement=judgement,
        ranked=tuple(runs[run_id] for run_id in ranked),
        unranked=tuple(run for run in left_out if run.summary.valid),
        invalid=tuple(run for run in left_out if not run.summary.valid),
        problems=scan.problems,
        unfinished=scan.unfinished,
        repeats=read_repeats(store, scan.manifests),
    )


def _read_run(store: ResultsStore, names: dict[str, str], manifest: Manifest) -> Run:
    summary = summarise(store, manifest)
    try:
        with open_rows(store, manifest) as (connection, _):
            series = read_series(connection, manifest)
            meanwhile = read_meanwhile(connection, store, manifest, series.window_s)
            curve = read_curve(connection, manifest.serving.replicas, balancer_of(manifest)) if summary.valid else None
    except duckdb.Error:
        series, meanwhile, curve = None, None, None
    return Run(names[manifest.run_id], manifest, summary, series, meanwhile, curve)
