"""Nodes have no public addresses."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.resource import UNKNOWN, Resource

_SWITCH = {
    CLUSTER: "privateClusterConfig.enablePrivateNodes",
    NODE_POOL: "networkConfig.enablePrivateNodes",
}


def check(resource: Resource) -> Iterator[str]:
    switch = _SWITCH.get(resource.kind)
    if switch and resource.get(switch) not in (True, UNKNOWN):
        yield (
            f"its {switch} is not true, so every node gets a public address, which can be scanned and counts"
            f" against a small quota; set {switch} to true, and let nodes reach the internet by NAT"
        )
