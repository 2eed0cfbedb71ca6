"""The measurement of the stacks that a pull request changes, and its comment: improved, worse, or cannot tell."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from tools.pull_request.latest import (
    ExcludedRun,
    Figure,
    Latest,
    Skipped,
    Value,
    excluded_lines,
    figure_text,
    rps_text,
)
from tools.pull_request.markdown import cell, code, fenced, short_commit, skipped_details

MARKER = "<!-- shapebench: measurement of the changed stacks -->"
"""The first line of the comment, by which it is found again."""

CHANGES = "changes.json"
"""The output of `shapebench latest --against`. Each other file is of the sweep of the stack that it is called after."""

_LIMIT = 60_000
_TABLE_HEAD = (
    "| stack | cost of a million predictions | before, USD | after, USD | this measurement, USD |\n"
    "|---|---|--:|--:|--:|"
)


class Change(Value):
    """A stack before and after. `usd_ratio` is the cost after by that before; None where `why_not` says why."""

    stack: str
    finding: Literal["improved", "worse", "cannot tell"]
    usd_ratio: Figure | None
    why_not: tuple[str, ...]
    differs: tuple[str, ...]
    excluded: tuple[ExcludedRun, ...] = ()
    before: Latest | None
    after: Latest | None


class Sweep(BaseModel):
    """What the measurement of a stack cost, and how it ended; from the `outcome.json` of its sweep."""

    usd: float
    unpriced: tuple[str, ...] = ()
    message: str

    @property
    def usd_text(self) -> str:
        return f"{'at least ' if self.unpriced else ''}{self.usd:,.2f}"


class Measurement(BaseModel):
    """By stack. `skipped` is what is wrong in the two results stores."""

    changes: Mapping[str, Change]
    sweeps: Mapping[str, Sweep]
    skipped: tuple[str, ...] = ()


def read_measurement(folder: Path) -> Measurement:
    """What is there: a job that failed leaves no file."""
    changes: dict[str, Change] = {}
    sweeps: dict[str, Sweep] = {}
    skipped: list[str] = []
    for path in sorted(folder.rglob("*.json")):
        found = json.loads(path.read_text())
        if path.name == CHANGES:
            changes |= {each["stack"]: Change.model_validate(each) for each in found["changes"]}
            for side in (found, found.get("against", {})):
                skipped += Skipped.model_validate(side).lines
        else:
            sweeps[path.stem] = Sweep.model_validate(found)
    return Measurement(changes=changes, sweeps=sweeps, skipped=tuple(skipped))


def compose(measurement: Measurement, expected: Sequence[str], commit: str, run_url: str) -> str:
    """The whole comment. An expected stack without an answer has a row that says so."""
    if not expected:
        title = f"### Nothing to measure at {short_commit(commit)}"
        return f"{MARKER}\n\n{title}\n\nNo GKE stack differs from the target branch.\n\n{_link(run_url)}"
    rows = [_row(stack, measurement) for stack in expected]
    found = [measurement.changes[stack] for stack in expected if stack in measurement.changes]
    details = [_details(each, measurement.sweeps.get(each.stack)) for each in found]
    head = [
        MARKER,
        f"### Measurement of {_count(len(expected), 'stack')} at {short_commit(commit)}",
        "\n".join([_TABLE_HEAD, *rows]),
        *filter(None, [skipped_details(measurement.skipped)]),
    ]
    text = "\n\n".join([*head, *details, _notes(measurement, run_url)])
    return text if len(text) <= _LIMIT else "\n\n".join([*head, f"The rest is too long; see [the log]({run_url})."])


def _row(stack: str, measurement: Measurement) -> str:
    change, sweep = measurement.changes.get(stack), measurement.sweeps.get(stack)
    spent = sweep.usd_text if sweep else "not known"
    if change is None:
        return f"| {cell(stack)} | **no answer**: the measurement ended without one | – | – | {spent} |"
    sides = (figure_text(side.usd_per_million) if side else "–" for side in (change.before, change.after))
    return f"| {cell(stack)} | **{change.finding}**{_by(change.usd_ratio)} | {' | '.join(sides)} | {spent} |"


def _by(ratio: Figure | None) -> str:
    """By how much, with the interval."""
    if ratio is None:
        return ""
    interval = f"{_relative(ratio.low)} to {_relative(ratio.high)}"
    return f": {interval}" if ratio.value is None else f": {_relative(ratio.value)} ({interval})"


def _relative(ratio: float | None) -> str:
    if ratio is None:
        return "any amount more"
    return f"{abs(ratio - 1) * 100:.1f} % {'less' if ratio < 1 else 'more'}"


def _details(change: Change, sweep: Sweep | None) -> str:
    lines = [
        *change.why_not,
        *excluded_lines(change.excluded),
        *(f"changed: {each}" for each in change.differs),
        *_side("before", change.before),
        *_side("after", change.after),
        *([f"the measurement: {sweep.message}"] if sweep else []),
    ]
    summary = f"<summary>{html.escape(change.stack)}: {'reasons' if change.why_not else 'figures'}</summary>"
    # Nobody should miss why there is no answer.
    return f"<details{' open' if change.why_not else ''}>{summary}\n\n{fenced(chr(10).join(lines))}\n\n</details>"


def _side(name: str, side: Latest | None) -> Iterator[str]:
    if side is not None:
        rehearsal = " (a rehearsal)" if side.rehearsal else ""
        yield (
            f"{name}{rehearsal}: {side.variant}, {side.objective}: {rps_text(side.capacity_rps)} requests/s"
            f"{side.of_requests} at"
            f" {side.usd_hourly:.2f} USD/h, {_count(side.runs, 'run')} of {_count(side.deployments, 'deployment')}, the"
            f" last of {side.measured_at:%Y-%m-%d}"
        )


def _notes(measurement: Measurement, run_url: str) -> str:
    dates = {
        side.prices_as_of for change in measurement.changes.values() for side in (change.before, change.after) if side
    }
    how = "Cost at capacity, with its 95 % interval over deployments; the intervals of all stacks hold together."
    notes = [how, "Improved or worse only if the whole interval is."]
    if dates:
        notes.append(f"On-demand list prices of {', '.join(map(code, sorted(dates)))}.")
    if sweeps := measurement.sweeps.values():
        bound = "at least " if any(sweep.unpriced for sweep in sweeps) else ""
        notes.append(
            f"The measurement cost {bound}{sum(sweep.usd for sweep in sweeps):,.2f} USD in all, by list prices."
        )
    return " ".join([*notes, _link(run_url)])


def _link(run_url: str) -> str:
    return f"[The workflow run]({run_url})"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
