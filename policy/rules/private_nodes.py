"""No node has an address on the internet."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.resource import UNKNOWN, Resource
from policy.rule import Rule

_SWITCH = {
    CLUSTER: "privateClusterConfig.enablePrivateNodes",
    NODE_POOL: "networkConfig.enablePrivateNodes",
}


def _check(resource: Resource) -> Iterator[str]:
    switch = _SWITCH.get(resource.kind)
    if switch and resource.get(switch) not in (True, UNKNOWN):
        yield (
            f"its {switch} is not true, so every node gets an address on the internet, where it can be scanned and"
            f" takes one of the few addresses of the quota; set {switch} to true and let nodes out by NAT"
        )


RULE = Rule("private-nodes", "Nodes have no address on the internet.", _check)
