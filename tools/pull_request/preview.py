"""The result of previewing one stack, read from the engine's events."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from tools.pull_request.latest import Answer, Latest, Value, excluded_lines

_STACK_TYPE = "pulumi:pulumi:Stack"
_SAME = {"same", "read", "refresh"}


class Change(Value):
    """One resource that an update would change."""

    op: Annotated[str, Field(pattern="^[a-z-]+$")]
    """The engine's operation: `create`, `update`, `delete`, `replace` and others."""
    kind: str
    name: str


class Preview(Value):
    stack: str
    failed: bool
    changes: tuple[Change, ...]
    cost: dict[str, Any] | None
    """The stack's output `cost`, from analysis.pricing.stack_cost.cost_output; None where it has none."""
    problems: tuple[str, ...]
    """Errors and policy violations."""
    latest: Latest | None = None
    """What the results store of the main branch says; None where there is none, or it has no capacity search."""
    history: tuple[Latest, ...] = ()
    """What it says of each of the last commits, of the runs of that commit alone; the newest first."""
    latest_problem: str | None = None
    """Why that store could not be read."""
    latest_excluded: tuple[str, ...] = ()
    """The capacity searches of the stack there that are not used, and why."""
    store_skipped: tuple[str, ...] = ()
    """What is wrong in that store, whichever stack it is of."""


def read_events(stack: str, lines: Iterable[str], status: int) -> Preview:
    """Read a preview from the event stream of `pulumi preview --json` and its exit status."""
    changes: dict[str, Change] = {}
    cost, problems, finished = None, list[str](), False
    for event in _events(lines):
        step = _part(event, "resourcePreEvent").get("metadata")
        if step and step["op"] not in _SAME and step["type"] != _STACK_TYPE:
            # A replacement is several steps of one resource; the first one says that it is a replacement.
            op = "replace" if "replace" in step["op"] else step["op"]
            kind, name = step["type"].rpartition(":")[2], step["urn"].split("::", 3)[3]
            changes.setdefault(step["urn"], Change(op=op, kind=kind, name=name))
        cost = _cost(_part(event, "resOutputsEvent").get("metadata")) or cost
        problems += _problems(event)
        finished = finished or "summaryEvent" in event
    if not finished:
        problems.append("The preview is incomplete; see the log of its job.")
    return Preview(
        stack=stack,
        failed=status != 0 or not finished,
        changes=tuple(changes.values()),
        cost=cost,
        problems=tuple(problems),
    )


def read_latest(stack: str, printed: str) -> dict[str, Any]:
    """What `shapebench latest --json` printed of a stack, as fields of a Preview."""
    found = Answer.model_validate_json(printed)
    return {
        "latest": found.latest.get(stack),
        "history": found.history.get(stack, ()),
        "latest_excluded": tuple(excluded_lines(found.excluded)),
        "store_skipped": tuple(found.lines),
    }


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # printed by a plugin
        if isinstance(event, dict):
            yield event


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return event.get(name) or {}


def _cost(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not metadata or metadata["type"] != _STACK_TYPE:
        return None
    cost = ((metadata.get("new") or {}).get("outputs") or {}).get("cost")
    return cost if isinstance(cost, dict) else None


def _problems(event: Mapping[str, Any]) -> Iterator[str]:
    diagnostic, policy = _part(event, "diagnosticEvent"), _part(event, "policyEvent")
    if diagnostic.get("severity") == "error":
        yield diagnostic["message"].strip()
    if policy:
        yield f"[{policy['enforcementLevel']}] {policy['policyName']}: {policy['message'].strip()}"
