"""The kinds of Google Cloud resources that a stack has: how they are named, and where they carry labels."""

import re
from dataclasses import dataclass
from typing import Literal

# The names that Pulumi gives to the stacks' clusters.
CLUSTER_NAME = re.compile(r"gke-cluster-control-plane-[0-9a-f]{7}")


@dataclass(frozen=True)
class Kind:
    """A kind of resource, and its place in Google's REST API."""

    name: str
    service: Literal["compute", "container", "iam", "storage"]
    plural: str
    named: re.Pattern[str] = re.compile(r".*")
    """The form of the names that stacks give; needed in addition to the labels."""
    described: bool = False
    """Whether the labels are in its description, because the kind has no labels."""
    of_network: bool = False
    """Whether GKE creates it for a cluster, in the cluster's network; it counts as labelled like that network."""
    deleted_as: str | None = None
    """The plural in the path of a DELETE, where it is another."""


CLUSTER = Kind("cluster", "container", "clusters")
DISK = Kind("disk", "compute", "disks")
BUCKET = Kind("bucket", "storage", "b")
# https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules: gke-<cluster>-<hash>-<purpose>. The names of
# machines and instance groups hold only the beginning of the cluster's.
INSTANCE_GROUP = Kind("instance group", "compute", "instanceGroups", re.compile(r"gke-gke-cluster-.+-grp"),
                      of_network=True, deleted_as="instanceGroupManagers")  # fmt: skip
INSTANCE = Kind("machine", "compute", "instances", re.compile(r"gke-gke-cluster-.+"), of_network=True)
FIREWALL = Kind("firewall rule", "compute", "firewalls",
                re.compile(rf"gke-{CLUSTER_NAME.pattern}-[0-9a-f]{{8}}-.+"), of_network=True)  # fmt: skip
ROUTER = Kind("router", "compute", "routers", re.compile(r"gke-network-router-.+"), described=True)
SUBNETWORK = Kind("subnetwork", "compute", "subnetworks", re.compile(r"gke-network-subnet-.+"), described=True)
NETWORK = Kind("network", "compute", "networks", re.compile(r"gke-network-vpc-.+"), described=True)
ACCOUNT = Kind("service account", "iam", "serviceAccounts", re.compile(r"shapebench-.+"), described=True)

KINDS = (CLUSTER, INSTANCE_GROUP, INSTANCE, DISK, BUCKET, FIREWALL, ROUTER, SUBNETWORK, NETWORK, ACCOUNT)
"""In the order in which they can be deleted: what uses a resource comes before that resource."""

AGGREGATED = (DISK, ROUTER, SUBNETWORK, INSTANCE_GROUP, INSTANCE)
"""Kinds that are listed for all zones and regions at once."""
GLOBAL = (NETWORK, FIREWALL)
"""Kinds that are in no zone or region."""
