"""The CPU and memory that a serving pod requests on a GKE node: enough to be scheduled beside GKE's own DaemonSets."""

import math
from typing import NamedTuple

from stacks.explain import SettingsError
from stacks.machines.shapes import NodeShape
from stacks.server.models import Model
from stacks.settings import Settings


class PodResources(NamedTuple):
    """The CPU request of one serving pod, and its memory, which is request and limit."""

    cpu_millis: int
    memory_mib: int


class ShapeTooSmallError(SettingsError):
    """A node of this shape has no room for a serving pod beside GKE's own pods."""


# About half of what a node offers: 47 % of 1930 m. It reserves nothing: a pod has its node to itself by anti-affinity
# and takes what is idle there. A request only keeps other pods from filling the node, and is the pod's weight while
# the node is busy. On 2 vCPUs, the daemons (about 490 m) and both replicas of kube-dns (520 m) leave room for it.
_CPU_MILLIS_A_VCPU = 450

# GKE's reserve of memory in tiers: (GB in the tier, share of it that is reserved), the last one without an end. Source:
# "Plan GKE Standard node sizes", https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes.
_RESERVED_TIERS = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02))
_EVICTION_MIB = 100
# Memory that the kernel takes before the kubelet counts: 164 of 4096 MiB to 1220 of 65536 MiB in published listings.
# This share and this constant are above all of them.
_KERNEL_SHARE, _KERNEL_MIB = 0.02, 100
# What GKE's DaemonSets request: 661 MiB in listings of GKE 1.29 and 1.36, and room for that of Dataplane V2, for which
# none was found. What they use is measured: provider.cluster.pod_usage.
_DAEMONS_MIB = 960
# GKE raises these requests from time to time, and a pod that no longer fits stays Pending.
_MARGIN_MIB = 100


def stack_pod_resources(stack: str, settings: Settings, model: Model) -> PodResources | None:
    """The resources of one pod of a stack; None where it has none: on the platform local, and with seedFaithful.

    Raises SettingsError where its memory is too little for the model.
    """
    stated = settings.kubernetes.pod if settings.platform == "kubernetes" else None
    if stated and stated.memory_mib < model.least_memory_mib:
        raise SettingsError(
            f"shapebench:kubernetes.pod.memoryMib is {stated.memory_mib}, but a server needs {model.least_memory_mib}"
            f" MiB to load {model.title}; give {model.least_memory_mib} or more"
        )
    if settings.platform == "local" or settings.seed_faithful:
        return None
    return PodResources(**stated.model_dump()) if stated else pod_resources(settings.node_shape(stack), model)


def pod_resources(shape: NodeShape, model: Model) -> PodResources:
    """The resources of one pod on a node of this shape.

    Raises ShapeTooSmallError where its memory is too little for the model.
    """
    left_mib = 1024 * (shape.memory_gb * (1 - _KERNEL_SHARE) - _reserved_gb(shape.memory_gb))
    memory_mib = math.floor(left_mib) - _EVICTION_MIB - _KERNEL_MIB - _DAEMONS_MIB - _MARGIN_MIB
    if memory_mib < model.least_memory_mib:
        raise ShapeTooSmallError(
            f"a node of {shape.memory_gb:g} GB has {max(memory_mib, 0)} MiB left for the server after GKE's memory"
            f" reservations and DaemonSets, too little to load {model.title}; choose a shapebench:shape.machineType"
            " with more memory, at least 4 GB"
        )
    return PodResources(_CPU_MILLIS_A_VCPU * shape.vcpus, memory_mib)


def _reserved_gb(memory_gb: float) -> float:
    reserved, left = 0.0, memory_gb
    for size, share in _RESERVED_TIERS:
        reserved += min(left, size) * share
        left = max(0.0, left - size)
    return reserved
