"""One changed resource: what a stack registers, with a few inputs replaced."""

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy.resource import Resource
from tests.unit.components.gke.gke_program import record_stack

STACK = "8cpu-16gb"


@dataclass(frozen=True)
class Bad:
    """A resource that no stack may have, what is bad about it, and the public rule that says so."""

    kind: str
    inputs: dict[str, Any]
    why: str
    source: str
    bad: str = ""
    """The path of the input that is bad; empty where the resource as a whole is."""

    @property
    def resource(self) -> Resource:
        return Resource(self.kind, "bad", STACK, self.inputs)


@functools.cache
def _declared() -> dict[str, tuple[str, dict[str, Any]]]:
    return {resource.name: (resource.typ, resource.inputs) for resource in record_stack(STACK).resources}


def declared(name: str) -> tuple[str, dict[str, Any]]:
    """Type and inputs of a resource that the stack registers, by the end of its name."""
    (found,) = [value for key, value in _declared().items() if key.endswith(name)]
    return found[0], copy.deepcopy(found[1])


def changed(inputs: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with other values at these paths, such as `spec.containers.0.image`. None removes an input."""
    inputs = copy.deepcopy(inputs)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = inputs
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
        if value is None:
            place.pop(last, None)
        else:
            place[int(last) if isinstance(place, list) else last] = value
    return inputs


def bad(name: str, changes: Mapping[str, Any], why: str, source: str) -> Bad:
    """A resource of the stack with something bad about it."""
    kind, inputs = declared(name)
    return Bad(kind, changed(inputs, changes), why, source, next(iter(changes)))
