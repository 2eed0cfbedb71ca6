"""Reads a store into what the report says: which runs count, in which order, and the words at the top."""

from dataclasses import dataclass

import duckdb
import pandas as pd

from analysis.manifest import Manifest
from analysis.report.series import Series, read_series
from analysis.report.text import run_names
from analysis.rows import open_rows
from analysis.statistics.spread import Repeats, read_repeats
from analysis.store import Problem, ResultsStore
from analysis.summary import RunSummary, summarise


@dataclass(frozen=True)
class Run:
    """One finished run. `series` is None where its rows cannot be read."""

    name: str
    manifest: Manifest
    summary: RunSummary
    series: Series | None


@dataclass(frozen=True)
class Findings:
    """A store as the report tells it.

    `ranked`: the valid runs that can be compared by money, cheapest per million good predictions first.
    `unranked`: valid runs that are not compared, since they come from another kind of machine or lack a figure.
    `invalid`: runs that must not be compared, each with its reasons.
    `repeats`: how the runs of one update spread.
    """

    store_uri: str
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


def collect(store: ResultsStore) -> Findings:
    """Read every finished run, one at a time."""
    scan = store.scan()
    names = run_names(scan.manifests)
    runs = [_read_run(store, manifest, names[manifest.run_id]) for manifest in scan.manifests]
    valid = [run for run in runs if run.summary.valid]
    ranked = rank(valid)
    return Findings(
        store_uri=store.uri,
        ranked=tuple(ranked),
        unranked=tuple(run for run in valid if run not in ranked),
        invalid=tuple(run for run in runs if not run.summary.valid),
        problems=scan.problems,
        unfinished=scan.unfinished,
        repeats=read_repeats(store, scan.manifests),
    )


def rank(valid: list[Run]) -> list[Run]:
    """The runs whose cost per million good predictions can be compared, cheapest first.

    A run on this machine says nothing about a cluster, so as soon as there is one from a cluster, only those compare.
    """
    on_cluster = [run for run in valid if run.manifest.platform != "local"]
    cost = pd.Series({run.name: run.summary.usd_per_million_good for run in on_cluster or valid}, dtype="float64")
    by_name = {run.name: run for run in valid}
    return [by_name[name] for name in cost.dropna().sort_values(kind="stable").index]


def _read_run(store: ResultsStore, manifest: Manifest, name: str) -> Run:
    summary = summarise(store, manifest)
    try:
        with open_rows(store, manifest) as (connection, _):
            series = read_series(connection, manifest)
    except duckdb.Error:
        series = None
    return Run(name=name, manifest=manifest, summary=summary, series=series)
