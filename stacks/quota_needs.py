"""What a GKE stack takes from the project's quotas: counted from its settings, before anything is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stacks.gke import BOOT_DISK_GB
from stacks.shapes import NodeShape

# Google's names of the APIs whose resources a stack declares.
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
    """How much of one quota; `metric` is Google's name of it, such as CPUS."""

    metric: str
    scope: Scope
    amount: int


def needs(*pools: NodeShape) -> tuple[Need, ...]:
    """What a stack with these node pools takes of every quota that is known to run out.

    Nodes have no addresses of their own; one is the NAT gateway's, which counts as in use and as static
    (https://cloud.google.com/nat/quota). pd-balanced counts as SSD. Google's documents do not settle whether
    E2's vCPUs count as E2_CPUS or as CPUS, so both are here, and what a region lists is compared: ADR 28.
    The pool that GKE makes with a cluster is smaller than both of ours, and gone before they are made.
    """
    vcpus, nodes = _vcpus(pools), sum(pool.nodes for pool in pools)
    by_series = (
        Need(f"{series.upper()}_CPUS", "region", _vcpus(pool for pool in pools if _series(pool) == series))
        for series in sorted({_series(pool) for pool in pools})
    )
    return (
        Need("CPUS", "region", vcpus),
        *by_series,
        Need("INSTANCES", "region", nodes),
        Need("SSD_TOTAL_GB", "region", nodes * BOOT_DISK_GB),
        Need("IN_USE_ADDRESSES", "region", 1),
        Need("STATIC_ADDRESSES", "region", 1),
        Need("CPUS_ALL_REGIONS", "project", vcpus),
        Need("NETWORKS", "project", 1),
        Need("SUBNETWORKS", "project", 1),
        Need("ROUTERS", "project", 1),
    )


def added(wanted: Iterable[Need], held: Iterable[Need]) -> tuple[Need, ...]:
    """What is wanted beyond what is held already."""
    have = {(need.metric, need.scope): need.amount for need in held}
    more = (Need(need.metric, need.scope, need.amount - have.get((need.metric, need.scope), 0)) for need in wanted)
    return tuple(need for need in more if need.amount > 0)


def _vcpus(pools: Iterable[NodeShape]) -> int:
    return sum(pool.nodes * pool.vcpus for pool in pools)


def _series(pool: NodeShape) -> str:
    return pool.machine_type.partition("-")[0]
