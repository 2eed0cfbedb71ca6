"""Writes the comment as Markdown: a table of all stacks, then the changes of each."""

import html
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tools.pull_request.latest import Latest, figure_text, rps_text
from tools.pull_request.markdown import cell, code, fenced, short_commit, skipped_details
from tools.pull_request.preview import Preview

MARKER = "<!-- shapebench: preview of all stacks -->"
"""The first line of the comment, by which it is found again."""

# GitHub refuses 65,536 characters and more.
_LIMIT = 60_000
_CHANGES_SHOWN = 60
_PROBLEM_LIMIT = 4_000
_TABLE_HEAD = (
    "| stack | changes | serving, USD a month | load test, USD an hour | last measured, USD a million |\n"
    "|---|---|--:|--:|---|"
)
_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±"}


def compose(previews: Iterable[Preview], expected: Sequence[str], commit: str, run_url: str) -> str:
    """The whole comment. An expected stack without a preview has a row that says so."""
    found = {preview.stack: preview for preview in previews}
    rows = [_row(stack, found.get(stack)) for stack in expected]
    head = [
        MARKER,
        f"### Preview of {len(expected)} stack{'s' if len(expected) != 1 else ''} at {short_commit(commit)}",
        "\n".join([_TABLE_HEAD, *rows]),
        skipped_details(line for preview in found.values() for line in preview.store_skipped),
    ]
    details = [_details(found[stack]) for stack in expected if stack in found]
    text = "\n\n".join(part for part in (*head, *details, _notes(found.values(), run_url)) if part)
    if len(text) <= _LIMIT:
        return text
    too_long = f"The changes are too long for a comment; see [the log]({run_url})."
    return "\n\n".join(part for part in (*head, too_long) if part)


def _row(stack: str, preview: Preview | None) -> str:
    if preview is None:
        return f"| {cell(stack)} | **no preview**: its job ended without one | – | – | – |"
    cost = preview.cost or {}
    serving, test = cost.get("serving") or {}, cost.get("test") or {}
    figures = f"{_figure(serving, 'monthly')} | {_figure(test, 'hourly')} | {_last_measured(preview)}"
    return f"| {cell(stack)} | {_changes(preview)} | {figures} |"


def _changes(preview: Preview) -> str:
    if preview.failed:
        return "**failed**"
    counts = Counter(change.op for change in preview.changes)
    if not counts:
        return "none"
    return ", ".join(f"{count} to {op}" for op, count in sorted(counts.items()))


def _figure(figures: Mapping[str, Any], name: str) -> str:
    if name in figures:
        text = f"{figures[name]:,.2f}"
    elif f"{name}AtLeast" in figures:
        text = f"≥ {figures[f'{name}AtLeast']:,.2f}"
    else:
        return "–"
    free = figures.get(f"{name}WithFreeTier")
    return text if free is None else f"{text} ({free:,.2f})"


def _last_measured(preview: Preview) -> str:
    latest = preview.latest
    if latest is None and preview.latest_problem:
        return "not known: the results store was not read"
    if latest is None:
        skipped = any(f"/stack={preview.stack}/" in line for line in preview.store_skipped)
        return "not known: see what is not used" if skipped or preview.latest_excluded else "not measured yet"
    cost, capacity = figure_text(latest.usd_per_million), rps_text(latest.capacity_rps)
    rehearsal = ", a rehearsal" if latest.rehearsal else ""
    return f"{cost} at {capacity} requests/s{latest.of_requests} on {latest.measured_at:%Y-%m-%d}{rehearsal}"


def _details(preview: Preview) -> str:
    inside = []
    if preview.problems:
        inside.append(fenced("\n".join(preview.problems)[:_PROBLEM_LIMIT]))
    if preview.latest_problem:
        inside.append(fenced(preview.latest_problem[:_PROBLEM_LIMIT]))
    if preview.latest_excluded:
        inside.append(fenced("\n".join(preview.latest_excluded)[:_PROBLEM_LIMIT]))
    if len(preview.history) > 1:
        inside.append("The last commits of main that were measured, each by its own runs:")
        inside.append(fenced("\n".join(map(_at_commit, preview.history))))
    if preview.changes:
        shown = preview.changes[:_CHANGES_SHOWN]
        lines = [f"{_SIGNS.get(change.op, ' ')} {change.op} {change.kind} {change.name}" for change in shown]
        left_out = len(preview.changes) - len(lines)
        inside.append(fenced("\n".join(lines + ([f"… and {left_out} more"] if left_out else [])), "diff"))
    if not inside:
        return ""
    attribute = " open" if preview.failed else ""
    summary = f"<summary>{html.escape(preview.stack)}: {'problems' if preview.failed else 'changes'}</summary>"
    return "\n\n".join([f"<details{attribute}>{summary}", *inside, "</details>"])


def _at_commit(at: Latest) -> str:
    cost, capacity = figure_text(at.usd_per_million), rps_text(at.capacity_rps)
    commit = short_commit(at.commit or "unknown")
    return f"{at.measured_at:%Y-%m-%d} {commit} {at.variant}: {cost} USD a million at {capacity} requests/s"


def _notes(previews: Collection[Preview], run_url: str) -> str:
    costs = [preview.cost for preview in previews if preview.cost]
    notes = []
    if costs:
        dates = ", ".join(sorted({code(str(cost.get("pricesAsOf"))) for cost in costs}))
        notes.append(
            f"On-demand list prices of {dates}, 730 hours a month; in brackets with the free credit for one cluster."
        )
    unpriced = sorted({str(name) for cost in costs for name in cost.get("unpriced") or ()})
    if unpriced:
        notes.append(f"Not in the sums, because they have no price: {', '.join(map(code, unpriced))}.")
    notes.append("– has no resources on Google Cloud.")
    if any(preview.latest for preview in previews):
        notes.append("Last measured: the cost of a million predictions at capacity, with its 95 % interval, in main.")
    notes.append(f"[The workflow run]({run_url})")
    return " ".join(notes)
