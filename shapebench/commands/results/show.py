"""`shapebench show`: one run, with its conditions, figures, validity, resource usage, cost and files."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from analysis.comparability import ALL_CONDITIONS, comparison_group
from analysis.formatting import SHORT_ID, count
from analysis.interval import Interval
from analysis.report import server_counters
from analysis.report.charts.resource_usage import interval_sentence, others_sentence, uses_table
from analysis.report.collect import Run, run_of
from analysis.report.provenance import provenance
from analysis.report.tables import Column, Table
from analysis.results.run.columns import read_columns
from analysis.results.run.resource_usage import ResourceUsage
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.layout import manifest_path, named_files
from analysis.results.storage.store import ResultsStore, Scan
from analysis.statistics.estimate import price_of
from analysis.statistics.figures import Shown
from analysis.statistics.read import QUANTILES
from analysis.statistics.summary import FIGURES, RunSummary, requests_sentence
from analysis.statistics.within import RunFigures
from shapebench.commands.prices.price import print_cost
from shapebench.commands.results.runs import run_json, validity
from shapebench.output import CommandError, print_card, print_json, print_table, print_text
from shapebench.skipped import no_finished_run, note_skipped, skipped_json

# An error names so many runs; `shapebench runs` lists all.
_MOST_NAMED = 5
# What a narrow terminal has no room for; `shapebench price` and --json have it.
_DISPENSABLE = ("unit price, USD", "quantity", "USD/24 h", "SKU")


def print_run(uri: str, id_part: str | None, *, as_json: bool) -> None:
    """Print the run whose id begins or ends with `id_part`, by default the newest. Raises CommandError."""
    store = ResultsStore(uri)
    scan = store.scan()
    if not scan.manifests:
        note_skipped(scan)
    manifest = find_run(scan, id_part, uri)
    run, (found, _) = run_of(manifest, read_columns(store, manifest), QUANTILES)
    intervals = intervals_of(manifest, run.summary, found)
    if as_json:
        print_json(_json(run, intervals) | skipped_json(scan))
        return
    _print_text(run, intervals, scan)
    note_skipped(scan)


def find_run(scan: Scan, id_part: str | None, uri: str) -> Manifest:
    """The finished run whose id begins or ends with `id_part`, in either case; None is the newest.

    An end has at least the characters that `shapebench runs` shows.

    Raises CommandError that names the runs it could be.
    """
    runs = scan.manifests
    if id_part is None and runs:
        return runs[-1]
    if not runs:
        raise CommandError(no_finished_run(uri))
    prefix = (id_part or "").upper()
    ends = prefix if len(prefix) >= SHORT_ID else None
    matching = [run for run in runs if run.run_id.startswith(prefix) or (ends and run.run_id.endswith(ends))]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise CommandError(
            f"'{id_part}' is the beginning or the end of {len(matching)} run ids, so none is shown; give more of one of"
            f" them: {_listed(matching)}"
        )
    if of_stack := [run for run in runs if run.stack == id_part]:
        raise CommandError(
            f"'{id_part}' is a stack and not a run id, so no run is shown; give the id of one of its runs:"
            f" {_listed(of_stack)}"
        )
    raise CommandError(f"{_why_not_found(scan, prefix, uri)}; {_suggestion(runs, prefix)}")


def _why_not_found(scan: Scan, prefix: str, uri: str) -> str:
    for folder in scan.unfinished:
        if folder.rpartition("=")[2].startswith(prefix):
            return f"{folder} has rows and no manifest, so this run is not finished and has no figures"
    for problem in scan.problems:
        if problem.path.startswith("runs/") and problem.path.rpartition("/")[2].startswith(prefix):
            return f"the manifest of this run, {problem.path}, {problem.why}"
    return f"no run id in {uri} begins or ends with '{prefix}'"


def _suggestion(runs: Sequence[Manifest], prefix: str) -> str:
    """The runs whose ids begin with almost what was typed; the newest where none does."""
    beginnings = {run.run_id[: len(prefix)] for run in runs}
    close = get_close_matches(prefix, beginnings, n=_MOST_NAMED, cutoff=0.8)
    near = [run for run in runs if run.run_id[: len(prefix)] in close]
    return f"near it: {_listed(near)}" if near else f"the newest run is {_listed(runs[-1:])}"


def _listed(runs: Sequence[Manifest]) -> str:
    """The newest first, each with its stack and time."""
    newest = sorted(runs, key=lambda run: run.run_id, reverse=True)
    named = [f"{run.run_id} ({run.stack}, {run.started_at:%Y-%m-%d %H:%M})" for run in newest[:_MOST_NAMED]]
    more = len(runs) - len(named)
    return ", ".join(named) + (f" and {more} more (`shapebench runs` lists them)" if more else "")


def intervals_of(
    manifest: Manifest, summary: RunSummary, found: RunFigures | None
) -> dict[str, Interval[float | None]]:
    """By the names of FIGURES, those that have an interval."""
    if found is None:
        return {}
    estimates: dict[str, Interval[float | None] | None] = {
        name: figure.estimate(found) for name, figure in FIGURES.items()
    }
    estimates["error_rate"] = found.error_share
    price, capacity = price_of(manifest), summary.capacity
    if price is not None:
        estimates["usd_per_million_good"] = price.usd_per_million(found.goodput_rps)
    if capacity:
        estimates["capacity_rps"] = capacity
        estimates["usd_per_million"] = price.usd_per_million(capacity) if price is not None else None
    return {name: estimate for name, estimate in estimates.items() if estimate is not None}


def _print_text(run: Run, intervals: Mapping[str, Interval[float | None]], scan: Scan) -> None:
    manifest, summary, usage = run.manifest, run.summary, run.resource_usage
    started = f"{manifest.started_at:%Y-%m-%d %H:%M} UTC"
    print_text(f"Run {manifest.run_id} of stack {manifest.stack}, {started}: {validity(summary)}")
    for reason in summary.reasons:
        print_text(f"invalid: {reason}")
    if manifest.capacity and manifest.capacity.imprecise_because:
        print_text(f"imprecise: {manifest.capacity.imprecise_because}")
    print_table(_figures_table(run, intervals), f"\nFigures of the counted phase, {manifest.counted_phase}")
    print_text(
        "In brackets: the 95 % interval of this run alone. It covers the minutes that were measured, not that a machine"
        " is faster or slower at other hours; only other runs show that."
    )
    if sentence := requests_sentence(manifest, summary, intervals):
        print_text(sentence)
    if usage and usage.uses:
        print_table(uses_table(usage), "\nResource usage")
    for sentence in _sentences(usage) if usage else ():
        print_text(sentence)
    if manifest.other_cpu:
        print_text(manifest.other_cpu.sentence)
    print_cost("\nCost", manifest.cost, _DISPENSABLE)
    group = comparison_group(manifest)
    same = sum(comparison_group(manifest) == group for manifest in scan.manifests) - 1
    compared = f"{group}, with {same or 'no'} other run{'s' * (same != 1)} of this store"
    print_card("\nConditions", (*provenance(run), ("Comparison group", compared)))
    print_table(_files_table(manifest), "\nFiles in the results store")


def _figures_table(run: Run, intervals: Mapping[str, Interval[float | None]]) -> Table:
    """What was measured, and what is always shown."""
    values = {name: getattr(run.summary, name) for name in FIGURES}
    rows = (
        (
            figure.label_of(run.manifest),
            intervals[name].text(figure.show) if name in intervals else figure.show(values[name]),
        )
        for name, figure in FIGURES.items()
        if values[name] is not None or name in intervals or Shown.RUN in figure.shown
    )
    return Table.of("Figures", ("figure", "value"), (), rows)


def _sentences(usage: ResourceUsage) -> list[str]:
    every = (
        interval_sentence(usage),
        usage.bottleneck.sentence,
        others_sentence(usage),
        *server_counters.sentences(usage.counted),
    )
    return [sentence for sentence in every if sentence]


def _files_table(manifest: Manifest) -> Table:
    files = ((path, count(file.rows), file.sha256) for path, file in named_files(manifest).items())
    columns = (Column("file", "text"), Column("rows"), Column("sha256", "text"))
    return Table("Files", columns, ((manifest_path(manifest.stack, manifest.run_id), "", ""), *files))


def _json(run: Run, intervals: Mapping[str, Interval[float | None]]) -> dict[str, Any]:
    manifest, usage = run.manifest, run.resource_usage
    return run_json(manifest, run.summary) | {
        "name": run.name,
        "intervals": {name: interval.to_dict() for name, interval in intervals.items()},
        "conditions": {condition.name: condition.value(manifest) for condition in ALL_CONDITIONS},
        "bottleneck": usage.bottleneck.sentence if usage else None,
        "servers_sampled_every_s": usage.interval_s if usage else None,
        "resource_usage": {
            subject: {"cores": use.cores, "available_cores": use.most_cores, "throttled_ratio": use.throttled_ratio}
            for subject, use in (usage.uses if usage else {}).items()
        },
        "manifest": manifest.model_dump(mode="json"),
    }
