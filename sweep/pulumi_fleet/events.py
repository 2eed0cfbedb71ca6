"""Reads the progress and the errors of an update from the events of Pulumi's engine."""

import re
from collections.abc import Mapping
from typing import Any

from sweep.fleet import Progress

_COLOUR = re.compile(r"<\{%.*?%\}>")
# Before the errors of one resource, though there is one.
_OF_SEVERAL = re.compile(r"^\d+ errors? occurred:\s*\* ")
_RATE = re.compile(r"([\d.]+)/s\b")
_P99 = re.compile(r"\bp99 (\d+) ms")
# They follow each failure, and say nothing of its reason.
_AFTER_ANY_FAILURE = {"update failed", "destroy failed", "Resource monitor has terminated, shutting down"}
_DOING = {
    "create": "creating",
    "update": "updating",
    "replace": "replacing",
    "create-replacement": "replacing",
    "delete": "deleting",
    "delete-replaced": "deleting",
}


def progress_of(event: Mapping[str, Any]) -> Progress | None:
    """The progress in an event: what begins, or the status of what runs. None in all other events."""
    if started := event.get("resourcePreEvent"):
        metadata = started["metadata"]
        doing = _DOING.get(metadata["op"])
        return Progress(f"{doing} {_name(metadata['urn'])}") if doing else None
    logged = event.get("diagnosticEvent")
    if not logged or logged.get("severity") != "info" or not logged.get("ephemeral"):
        return None
    if not (text := _message(logged)):
        return None
    rate, p99 = _RATE.search(text), _P99.search(text)
    return Progress(text, float(rate[1]) if rate else None, float(p99[1]) if p99 else None)


def error_of(event: Mapping[str, Any]) -> str | None:
    """The reason of a failure, where an event has one."""
    logged = event.get("diagnosticEvent")
    if not logged or logged.get("severity") != "error":
        return None
    text = _OF_SEVERAL.sub("", _message(logged))
    return None if text in _AFTER_ANY_FAILURE else text


def _message(logged: Mapping[str, Any]) -> str:
    return _COLOUR.sub("", str(logged.get("message", ""))).strip()


def _name(urn: str) -> str:
    """The type and the name at the end of a URN: `Cluster gke-cluster`."""
    *_, kind, name = urn.split("::")
    return f"{kind.rpartition(':')[2]} {name}"
