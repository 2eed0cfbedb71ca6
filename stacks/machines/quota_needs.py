"""What a GKE stack takes of the project's quotas, counted from its settings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from stacks.machines.gke import BOOT_DISK_GB
from stacks.machines.shapes import NodeShape

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
    """An amount of one quota; `metric` is Google's name of the quota, such as CPUS.

    `vm_family` is the quota's dimension beside the region, such as N4D; None where it has none.
    """

    metric: str
    scope: Scope
    amount: int
    vm_family: str | None = None

    @property
    def title(self) -> str:
        """What messages call the quota."""
        return quota_title(self.metric, self.vm_family)

    def to_inputs(self) -> dict[str, str | int]:
        """Its fields without those that it lacks, as the preflight's resource gets them."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def quota_title(metric: str, vm_family: str | None) -> str:
    """A quota's name, with the machine family that it is counted by."""
    return f"{metric} of {vm_family}" if vm_family else metric


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
        *_by_quota((pool.series.cpu_quota, pool.series.vm_family, _vcpus(pool)) for pool in pools),
        Need("INSTANCES", "region", nodes),
        *_by_quota((pool.disk.quota, None, pool.nodes * BOOT_DISK_GB) for pool in pools),
        Need("IN_USE_ADDRESSES", "region", 1),
        Need("STATIC_ADDRESSES", "region", 1),
        Need("CPUS_ALL_REGIONS", "project", vcpus),
        Need("NETWORKS", "project", 1),
        Need("SUBNETWORKS", "project", 1),
        Need("ROUTERS", "project", 1),
    )


def added(wanted: Iterable[Need], held: Iterable[Need]) -> tuple[Need, ...]:
    """The amounts of `wanted` beyond those of `held`."""
    have = {replace(need, amount=0): need.amount for need in held}
    more = (replace(need, amount=need.amount - have.get(replace(need, amount=0), 0)) for need in wanted)
    return tuple(need for need in more if need.amount > 0)


def _vcpus(pool: NodeShape) -> int:
    return pool.nodes * pool.vcpus


def _by_quota(amounts: Iterable[tuple[str, str | None, int]]) -> Iterator[Need]:
    total: Counter[tuple[str, str | None]] = Counter()
    for metric, vm_family, amount in amounts:
        total[metric, vm_family] += amount
    quotas = sorted(total, key=lambda quota: (quota[0], quota[1] or ""))
    return (Need(metric, "region", total[metric, vm_family], vm_family) for metric, vm_family in quotas)
