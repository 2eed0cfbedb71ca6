"""A resource as a rule sees it: type, name, stack and inputs, some of which a preview does not know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class _Unknown(Enum):
    UNKNOWN = "not known yet"

    def __str__(self) -> str:
        return self.value


UNKNOWN: Final = _Unknown.UNKNOWN
"""An input that is an output of a resource that does not exist yet.

Names, addresses, accounts and labels come from other resources, so no rule reports them while they are unknown:
`pulumi up` checks again before it creates the resource. A switch, such as `privileged`, is a constant of the program.
If a rule cannot read one, it reports it.
"""


@dataclass(frozen=True)
class Resource:
    """A resource that the engine is about to create or change, or a part of one (`policy/parts.py`)."""

    kind: str
    """The type's token, such as `gcp:container/cluster:Cluster`."""
    name: str
    stack: str
    inputs: Mapping[str, Any]
    part_of: str | None = None
    """The token of the resource that it is a part of; None for a resource itself."""

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


def members_of(value: object) -> list[object]:
    """The members of a list, unknown ones too. An unknown list has one unknown member."""
    if value is UNKNOWN:
        return [UNKNOWN]
    return value if isinstance(value, list) else []


def entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key with its value, at any depth. A value in a list has the key of the list."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield str(key), member
            yield from entries(member)
            if isinstance(member, list):
                yield from ((str(key), each) for each in member if not isinstance(each, Mapping | list))
    elif isinstance(value, list):
        for member in value:
            yield from entries(member)
