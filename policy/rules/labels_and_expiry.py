"""Every resource has labels with its stack, its commit and the end of its lease."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.kinds import LABELS_OF_GOOGLE_KINDS
from policy.resource import UNKNOWN, Resource, at
from stacks.names import COMMIT, EXPIRES, STACK, expiry, from_description

_NEEDED = (STACK, COMMIT, EXPIRES)


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == "kubernetes:core/v1:Namespace":
        labels = resource.get("metadata.labels")
        if labels is not UNKNOWN and not at(labels, STACK):
            yield (
                f"its metadata.labels have no {STACK}, so in a shared cluster nobody can tell whose it is; give"
                " it the labels of the stack (stacks/names.py)"
            )
    elif resource.package == "gcp" and (where := LABELS_OF_GOOGLE_KINDS.get(resource.kind, "labels")):
        yield from _on_google(resource, where)


def _on_google(resource: Resource, where: str) -> Iterator[str]:
    labels = _labels(resource.get(where))
    if labels is None:
        return
    missing = [key for key in _NEEDED if not labels.get(key)]
    if missing:
        yield (
            f"its {where} has no {', '.join(missing)}, so the janitor cannot find it once the stack is gone, and it"
            " is billed until somebody notices; give it the labels of the stack (stacks/names.py). If its kind has no"
            " labels, say so in policy/kinds.py"
        )
    elif labels[EXPIRES] is not UNKNOWN and expiry(labels) is None:
        yield (
            f"its {EXPIRES} is {labels[EXPIRES]!r}, which is no time, so it never expires; take it from"
            " the stack's lease (components/gke/lease.py)"
        )


def _labels(value: object) -> Mapping[str, Any] | None:
    """The labels; None where they are not known yet."""
    if value is UNKNOWN:
        return None
    if isinstance(value, str):
        return from_description(value)
    return value if isinstance(value, Mapping) else {}
