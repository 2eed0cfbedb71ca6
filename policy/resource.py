"""A resource as a rule sees it: what it is, whose it is, and its inputs, of which a preview does not know all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class _Unknown(Enum):
    UNKNOWN = "not known before it is made"


UNKNOWN: Final = _Unknown.UNKNOWN
"""An input that is the output of something that is not there yet. It breaks no rule: `pulumi up` looks again."""


@dataclass(frozen=True)
class Resource:
    """What the engine is about to make or change."""

    kind: str
    """The type's token, such as `gcp:container/cluster:Cluster`."""
    name: str
    stack: str
    inputs: Mapping[str, Any]

    @property
    def package(self) -> str:
        """What the type belongs to: `gcp`, `kubernetes`, `shapebench` and so on."""
        return self.kind.partition(":")[0]

    @property
    def type_name(self) -> str:
        """The last part of the type: `Cluster`, `Deployment` and so on."""
        return self.kind.rpartition(":")[2]

    def get(self, path: str) -> object:
        """The input at a path such as `nodeConfig.labels`: None where there is none, UNKNOWN where nobody knows yet."""
        return at(self.inputs, path)

    def __str__(self) -> str:
        return f"{self.type_name} {self.name}"


def at(value: object, path: str) -> object:
    """What lies at a path of keys: None where there is nothing, UNKNOWN where nobody knows yet."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def each_in(value: object) -> list[object]:
    """The known members of a list; empty where there is none, or it is not known yet."""
    return [each for each in value if each is not UNKNOWN] if isinstance(value, list) else []
