"""A resource as a rule sees it: type, name, stack and inputs, some of which a preview does not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class _Unknown(Enum):
    UNKNOWN = "not known before it is created"


UNKNOWN: Final = _Unknown.UNKNOWN
"""An input that is an output of a resource that does not exist yet. It breaks no rule: `pulumi up` checks again."""


@dataclass(frozen=True)
class Resource:
    """A resource that the engine is about to create or change."""

    kind: str
    """The type's token, such as `gcp:container/cluster:Cluster`."""
    name: str
    stack: str
    inputs: Mapping[str, Any]

    @property
    def package(self) -> str:
        """The package of the type: `gcp`, `kubernetes`, `shapebench` and so on."""
        return self.kind.partition(":")[0]

    @property
    def type_name(self) -> str:
        """The last part of the type: `Cluster`, `Deployment` and so on."""
        return self.kind.rpartition(":")[2]

    def get(self, path: str) -> object:
        """The input at a path such as `nodeConfig.labels`; None and UNKNOWN as in `at`."""
        return at(self.inputs, path)

    def __str__(self) -> str:
        return f"{self.type_name} {self.name}"


def at(value: object, path: str) -> object:
    """The value at a path of keys: None where there is none, UNKNOWN where it is not known yet."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def each_in(value: object) -> list[object]:
    """The known members of a list; empty where there is none, or it is not known yet."""
    return [each for each in value if each is not UNKNOWN] if isinstance(value, list) else []
