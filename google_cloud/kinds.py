"""The kinds of things that a stack has in Google Cloud: what ours are called, and what carries labels."""

import re
from dataclasses import dataclass
from typing import Literal

# The names that Pulumi gives to the clusters of our stacks.
CLUSTER_NAME = re.compile(r"gke-cluster-control-plane-[0-9a-f]{7}")
_OF_CLUSTER = re.compile(rf"gke-{CLUSTER_NAME.pattern}-[0-9a-f]{{8}}-.+")


@dataclass(frozen=True)
class Kind:
    """A kind of thing in Google Cloud, and where its REST API has it."""

    name: str
    service: Literal["compute", "container", "iam", "storage"]
    plural: str
    named: re.Pattern[str] = re.compile(r".*")
    """What every one of ours is called, beside what it carries."""
    described: bool = False
    """Whether the labels are in its description, for it can carry none."""
    of_network: bool = False
    """Whether GKE makes it for a cluster, in the cluster's network; the labels are that network's."""
    deleted_as: str | None = None
    """The plural under which it is deleted, where that is another."""


CLUSTER = Kind("cluster", "container", "clusters")
FORWARDING_RULE = Kind("forwarding rule", "compute", "forwardingRules")
ADDRESS = Kind("address", "compute", "addresses")
DISK = Kind("disk", "compute", "disks")
BUCKET = Kind("bucket", "storage", "b")
# https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules: gke-<cluster>-<hash>-<what for>. The names of
# machines and their groups have the cluster's cut short.
INSTANCE_GROUP = Kind("instance group", "compute", "instanceGroups", re.compile(r"gke-gke-cluster-.+-grp"),
                      of_network=True, deleted_as="instanceGroupManagers")  # fmt: skip
INSTANCE = Kind("machine", "compute", "instances", re.compile(r"gke-gke-cluster-.+"), of_network=True)
FIREWALL = Kind("firewall rule", "compute", "firewalls", _OF_CLUSTER, of_network=True)
ROUTE = Kind("route", "compute", "routes", _OF_CLUSTER, of_network=True)
ROUTER = Kind("router", "compute", "routers", re.compile(r"gke-network-router-.+"), described=True)
SUBNETWORK = Kind("subnetwork", "compute", "subnetworks", re.compile(r"gke-network-subnet-.+"), described=True)
NETWORK = Kind("network", "compute", "networks", re.compile(r"gke-network-vpc-.+"), described=True)
ACCOUNT = Kind("service account", "iam", "serviceAccounts", re.compile(r"shapebench-.+"), described=True)
# It is no thing of its own, but a line in the project's policy.
GRANT = Kind("grant", "iam", "")

KINDS = (CLUSTER, INSTANCE_GROUP, INSTANCE, FORWARDING_RULE, ADDRESS, DISK, BUCKET, FIREWALL, ROUTE, ROUTER, SUBNETWORK,
         NETWORK, ACCOUNT, GRANT)  # fmt: skip
"""In the order in which they can be removed: whatever holds another comes before it."""

AGGREGATED = (FORWARDING_RULE, ADDRESS, DISK, ROUTER, SUBNETWORK, INSTANCE_GROUP, INSTANCE)
"""Those that are listed for all zones and regions at once."""
GLOBAL = (NETWORK, FIREWALL, ROUTE)
"""Those that are in no zone or region."""
