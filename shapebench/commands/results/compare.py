"""`shapebench compare`: two runs side by side: what differs in their settings and conditions, and in their figures."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analysis.comparability import ALL_CONDITIONS, Condition, cpus, differing
from analysis.formatting import MISSING, number, short_ids
from analysis.interval import Interval
from analysis.report.data_tables import flatten
from analysis.report.tables import Column, Table
from analysis.results.run.columns import read_columns
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.read import figures_of
from analysis.statistics.summary import FIGURES, RunSummary, summary_of
from shapebench.commands.results.show import find_run, intervals_of
from shapebench.output import CommandError, note, print_json, print_table, print_text
from shapebench.skipped import note_skipped, skipped_json

Bounds = Interval[float | None]


@dataclass(frozen=True)
class _Side:
    """A run with its figures, and the intervals of these by the names of FIGURES."""

    manifest: Manifest
    summary: RunSummary
    intervals: dict[str, Bounds]

    def text(self, name: str) -> str:
        show = FIGURES[name].show
        return self.intervals[name].text(show) if name in self.intervals else show(getattr(self.summary, name))

    def value(self, name: str) -> float | None:
        value: float | None = getattr(self.summary, name)
        return value


def print_comparison(uri: str, first: str, second: str, *, as_json: bool) -> None:
    """Raises CommandError where a run is not found, or both are one."""
    store = ResultsStore(uri)
    scan = store.scan()
    before, after = (find_run(scan, id_part, uri) for id_part in (first, second))
    if before.run_id == after.run_id:
        raise CommandError(f"'{first}' and '{second}' are one run, {before.run_id}; give the ids of two runs")
    one, other = _side(store, before), _side(store, after)
    if as_json:
        print_json(_json(one, other) | skipped_json(scan))
        return
    _print_text(one, other)
    note_skipped(scan)


def _print_text(one: _Side, other: _Side) -> None:
    before, after = one.manifest, other.manifest
    names = short_ids([before.run_id, after.run_id])
    for side in (one, other):
        manifest, name = side.manifest, names[side.manifest.run_id]
        print_text(f"{name}: stack {manifest.stack}, {manifest.started_at:%Y-%m-%d %H:%M} UTC")
        for reason in side.summary.reasons:
            note(f"{name} is invalid: {reason}")
    own, others = names[before.run_id], names[after.run_id]
    if settings := tuple((key, *map(_shown, values)) for key, values in _settings(before, after)):
        columns = (Column("setting", "text"), Column(own, "wrap"), Column(others, "wrap"))
        print_table(Table("What differs", columns, settings), "\nWhat differs")
    figures = [
        (FIGURES[name].label_of(before), one.text(name), other.text(name), number(_ratio(one, other, name)))
        for name in _names(one, other)
        if _ratio(one, other, name) is not None
    ]
    table = Table.of("Figures", ("figure",), (own, others, "second / first"), figures)
    print_table(table, "\nFigures of the counted phases")
    print_text("\n" + _caution(before, after))


def _side(store: ResultsStore, manifest: Manifest) -> _Side:
    rows = read_columns(store, manifest)
    summary, (found, _) = summary_of(manifest, rows), figures_of(manifest, rows)
    return _Side(manifest, summary, intervals_of(manifest, summary, found))


def _settings(before: Manifest, after: Manifest) -> Iterator[tuple[str, tuple[object, object]]]:
    """What was set, or was so, and differs between two runs."""
    one, other = _described(before), _described(after)
    for key in dict.fromkeys((*one, *other)):
        if one.get(key) != other.get(key):
            yield key, (one.get(key), other.get(key))


def _described(manifest: Manifest) -> dict[str, Any]:
    described = manifest.model_dump(mode="json", include={"platform", "shape", "serving", "load", "git_commit"})
    return flatten(described | {"cpu": cpus(manifest), "software": manifest.software})


def _shown(value: object) -> str:
    return MISSING if value is None else str(value)


def _names(one: _Side, other: _Side) -> list[str]:
    """The figures that one of both runs has."""
    return [
        name for name in FIGURES if any(side.value(name) is not None or name in side.intervals for side in (one, other))
    ]


def _ratio(one: _Side, other: _Side, name: str) -> float | None:
    before, after = one.value(name), other.value(name)
    ratio = after / before if before and after is not None else None
    return ratio if ratio is None or math.isfinite(ratio) else None


def _caution(before: Manifest, after: Manifest) -> str:
    conditions = _conditions(before, after)
    chance = (
        "In brackets: the 95 % interval of each run alone. Two deployments of one variant differ as well, so one run"
        " each is no proof: `shapebench verdict` compares variants over all their runs."
    )
    if not conditions:
        return chance
    return f"They ran under different conditions ({', '.join(condition.name for condition in conditions)}). {chance}"


def _conditions(before: Manifest, after: Manifest) -> list[Condition]:
    return differing(before, after, ALL_CONDITIONS)


def _json(one: _Side, other: _Side) -> dict[str, Any]:
    before, after = one.manifest, other.manifest
    return {
        "runs": [before.run_id, after.run_id],
        "valid": [one.summary.valid, other.summary.valid],
        "reasons": [list(one.summary.reasons), list(other.summary.reasons)],
        "conditions_that_differ": [condition.name for condition in _conditions(before, after)],
        "settings": {key: list(values) for key, values in _settings(before, after)},
        "figures": {
            name: {
                "values": [one.value(name), other.value(name)],
                "intervals": [
                    interval and interval.to_dict() for interval in (one.intervals.get(name), other.intervals.get(name))
                ],
                "ratio": _ratio(one, other, name),
            }
            for name in _names(one, other)
        },
    }
