"""Allocatable CPU and memory of a GKE node, and what a serving pod can request beside GKE's own DaemonSets."""

import math
from typing import NamedTuple

from stacks.shapes import NodeShape


class PodResources(NamedTuple):
    """CPU and memory for one serving pod, as requests and limits, or for all pods of a node together."""

    cpu_millis: int
    memory_mib: int


class ShapeTooSmallError(ValueError):
    """A node of this shape has no room for a serving pod beside GKE's own pods."""


# GKE's reserve in tiers: (size of the tier, share of it that is reserved), the last one without an end. Source:
# "Plan GKE Standard node sizes", https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes.
_CPU_TIERS = ((1, 0.06), (1, 0.01), (2, 0.005), (math.inf, 0.0025))
_MEMORY_TIERS_GB = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02))
_EVICTION_MIB = 100

# Memory that the kernel takes before the kubelet counts; GKE's rules do not give it. Observed: 164 of 4096 MiB
# (e2-medium, GKE 1.23: capacity 4025932Ki) and 388 of 16384 MiB (n2-standard-4, GKE 1.36: 16380004Ki). This share and
# this constant are a little above both.
_KERNEL_SHARE = 0.02
_KERNEL_MIB = 100

# What GKE's own DaemonSets request on every node, (millicores, MiB). All tolerate every taint, so they are on the
# serving pool, too; kube-dns, konnectivity and metrics-server are Deployments that do not, and land on the load pool.
# Source, unless said otherwise: `kubectl describe node` of a GKE 1.36 node with Workload Identity, in the Camunda
# load-test notes of 2026-10-08 (public on GitHub).
DAEMON_REQUESTS: dict[str, tuple[int, int]] = {
    # Dataplane V2, which takes kube-proxy's place. CPU: a listing of DaemonSets by priority in public Sysdig notes.
    # Memory: 164Mi in Google Distributed Cloud of 2023; current GKE publishes none, so almost twice that.
    "anetd": (205, 300),
    "fluentbit-gke": (105, 230),
    "gke-metadata-server": (100, 100),
    "gke-metrics-agent": (21, 145),
    "ip-masq-agent": (10, 16),
    "netd": (8, 65),
    "node-local-dns": (30, 50),
    "pdcsi-node": (10, 20),
    # Only with shapebench:gke.managedPrometheus; counted always, so that the setting does not change the pods.
    # 5m and 36M in several public listings.
    "gmp-system/collector": (5, 35),
}
# GKE raises these requests from time to time (fluentbit: 100m to 105m), and a pod that no longer fits stays Pending.
_MARGIN_CPU_MILLIS = 50
_MARGIN_MEMORY_MIB = 64

# TensorFlow and ResNet50 with room for a few requests.
LEAST_MEMORY_MIB = 512


def allocatable(vcpus: int, memory_gb: float) -> PodResources:
    """What GKE's reserved resources and the eviction threshold leave of a node, rounded down."""
    memory_gb_left = memory_gb - _reserved(memory_gb, _MEMORY_TIERS_GB)
    return PodResources(
        cpu_millis=_floor(1000 * (vcpus - _reserved(vcpus, _CPU_TIERS))),
        memory_mib=max(0, _floor(1024 * memory_gb_left) - _EVICTION_MIB),
    )


def pod_resources(shape: NodeShape) -> PodResources:
    """The most that one pod can request on a node of this shape, less a margin.

    Raises ShapeTooSmallError where that is too little to load a model.
    """
    node = allocatable(shape.vcpus, shape.memory_gb)
    kernel_mib = math.ceil(_KERNEL_SHARE * 1024 * shape.memory_gb) + _KERNEL_MIB
    daemons_cpu_millis = sum(cpu for cpu, _ in DAEMON_REQUESTS.values())
    daemons_memory_mib = sum(memory for _, memory in DAEMON_REQUESTS.values())
    resources = PodResources(
        cpu_millis=node.cpu_millis - daemons_cpu_millis - _MARGIN_CPU_MILLIS,
        memory_mib=node.memory_mib - kernel_mib - daemons_memory_mib - _MARGIN_MEMORY_MIB,
    )
    if resources.cpu_millis <= 0 or resources.memory_mib < LEAST_MEMORY_MIB:
        raise ShapeTooSmallError(
            f"a node of {shape.vcpus} vCPU and {shape.memory_gb:g} GB leaves {resources.cpu_millis}m CPU and"
            f" {resources.memory_mib} MiB for the server after GKE's own daemons, too little to load a model;"
            " choose a shapebench:shape.machineType with at least 2 vCPU and 4 GB"
        )
    return resources


def _reserved(amount: float, tiers: tuple[tuple[float, float], ...]) -> float:
    reserved, left = 0.0, amount
    for size, share in tiers:
        reserved += min(left, size) * share
        left = max(0.0, left - size)
    return reserved


def _floor(value: float) -> int:
    # 1000 * 1.93 is 1929.9999… in binary; the sum of the tiers has four decimals at most.
    return math.floor(round(value, 6))
