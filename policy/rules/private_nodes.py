"""Nodes have no public addresses."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.requirement import Requirement
from policy.resource import Resource

_PUBLIC = (
    "so every node gets a public address, which can be scanned and counts against a small quota, and nodes do not need"
    " one: they reach the internet by NAT"
)
_PRIVATE = {
    CLUSTER: Requirement("privateClusterConfig.enablePrivateNodes", (True,), _PUBLIC),
    NODE_POOL: Requirement("networkConfig.enablePrivateNodes", (True,), _PUBLIC),
}


def check(resource: Resource) -> Iterator[str]:
    if requirement := _PRIVATE.get(resource.kind):
        yield from requirement.problems(resource.inputs)
