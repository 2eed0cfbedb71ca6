"""No server is published, and the control plane has no address."""

from collections.abc import Iterator

from policy.kinds import CLUSTER
from policy.resource import UNKNOWN, Resource, at, each_in

# Kinds that always publish something, of Kubernetes and of Google Cloud.
_PUBLISHING = {"Ingress", "Gateway", "ForwardingRule", "GlobalForwardingRule"}
_PUBLIC_SERVICE_TYPES = {"LoadBalancer", "NodePort"}
_MEND = "reach the server from inside the cluster by a Service of type ClusterIP, as the load generator does"
# Machines, and templates that machines are made of.
_MACHINES = {
    "gcp:compute/instance:Instance",
    "gcp:compute/instanceTemplate:InstanceTemplate",
    "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate",
}


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER:
        # An address is what GKE gives where nothing is said.
        if resource.get("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled") not in (False, UNKNOWN):
            yield (
                "its control plane answers on an IP address, where anybody who reaches it can connect; set"
                " controlPlaneEndpointsConfig.ipEndpointsConfig.enabled to false: the DNS-based endpoint asks IAM first"
            )
    elif resource.type_name in _PUBLISHING and resource.get("loadBalancingScheme") not in ("INTERNAL", UNKNOWN):
        yield f"it publishes a server on the internet, where anybody can send it requests; remove it and {_MEND}"
    elif resource.package == "kubernetes" and resource.type_name == "Service":
        yield from _service(resource)
    elif resource.kind in _MACHINES:
        for interface in each_in(resource.get("networkInterfaces")):
            for key in ("accessConfigs", "ipv6AccessConfigs"):
                if each_in(at(interface, key)):
                    yield f"it has an address on the internet, where it can be scanned; remove {key}"


def _service(resource: Resource) -> Iterator[str]:
    kind = resource.get("spec.type")
    if kind in _PUBLIC_SERVICE_TYPES:
        yield (
            f"it is of type {kind}, so the server listens outside of the cluster, and a forwarding rule may stay and be"
            " billed after the stack is gone; make it ClusterIP: the load generator runs inside the cluster"
        )
    if each_in(resource.get("spec.externalIPs")):
        yield f"it has externalIPs, so the server listens outside of the cluster; remove them and {_MEND}"
