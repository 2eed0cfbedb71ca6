"""What a GKE stack takes of the project's quotas, counted from its settings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from stacks.gke import BOOT_DISK_GB
from stacks.shapes import NodeShape

# The Google Cloud APIs whose resources a stack declares.
APIS = (
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "storage.googleapis.com",
)


Scope = Literal["region", "project"]


@dataclass(frozen=True)
class Need:
    """An amount of one quota; `metric` is Google's name of the quota, such as CPUS."""

    metric: str
    scope: Scope
    amount: int


def needs(*pools: NodeShape) -> tuple[Need, ...]:
    """What a stack with these node pools takes of each quota that can run out.

    Nodes have no addresses of their own; one is the NAT gateway's, which counts as in use and as static
    (https://cloud.google.com/nat/quota). A series' vCPUs count as CPUS or under a quota of their own: both are here,
    and only those that a region lists are compared (ADR 28). GKE's first node pool is smaller than both of ours, and
    deleted before they are created.
    """
    vcpus, nodes = sum(map(_vcpus, pools)), sum(pool.nodes for pool in pools)
    return (
        Need("CPUS", "region", vcpus),
        *_by_quota((pool.series.cpu_quota, _vcpus(pool)) for pool in pools),
        Need("INSTANCES", "region", nodes),
        *_by_quota((pool.series.disk_quota, pool.nodes * BOOT_DISK_GB) for pool in pools),
        Need("IN_USE_ADDRESSES", "region", 1),
        Need("STATIC_ADDRESSES", "region", 1),
        Need("CPUS_ALL_REGIONS", "project", vcpus),
        Need("NETWORKS", "project", 1),
        Need("SUBNETWORKS", "project", 1),
        Need("ROUTERS", "project", 1),
    )


def added(wanted: Iterable[Need], held: Iterable[Need]) -> tuple[Need, ...]:
    """The amounts of `wanted` beyond those of `held`."""
    have = {(need.metric, need.scope): need.amount for need in held}
    more = (Need(need.metric, need.scope, need.amount - have.get((need.metric, need.scope), 0)) for need in wanted)
    return tuple(need for need in more if need.amount > 0)


def _vcpus(pool: NodeShape) -> int:
    return pool.nodes * pool.vcpus


def _by_quota(amounts: Iterable[tuple[str, int]]) -> Iterator[Need]:
    total: Counter[str] = Counter()
    for metric, amount in amounts:
        total[metric] += amount
    return (Need(metric, "region", amount) for metric, amount in sorted(total.items()))
