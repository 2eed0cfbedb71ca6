"""No server is published, and the control plane admits only whom it names."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

from policy.kinds import CLUSTER
from policy.resource import UNKNOWN, Resource, at, each_in

# Kinds that always publish something, of Kubernetes and of Google Cloud.
_PUBLISHING = {"Ingress", "Gateway", "ForwardingRule", "GlobalForwardingRule"}
_PUBLIC_SERVICE_TYPES = {"LoadBalancer", "NodePort"}
_MEND = "reach it by ClusterIP from inside the cluster, as the load generator does"
# The limit of stacks.gke: more than a /8 is as good as the internet, in one range or in several. A /32 of IPv6 is what
# one provider gets.
_MOST_ADDRESSES = {4: 2 ** (32 - 8), 6: 2 ** (128 - 32)}
# Machines, and templates that machines are made of.
_MACHINES = {
    "gcp:compute/instance:Instance",
    "gcp:compute/instanceTemplate:InstanceTemplate",
    "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate",
}


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER:
        yield from _control_plane(resource)
    elif resource.type_name in _PUBLISHING and resource.get("loadBalancingScheme") not in ("INTERNAL", UNKNOWN):
        yield f"it publishes a server on the internet, where anybody can load it and its bill; remove it and {_MEND}"
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
            f"it is of type {kind}, so the server listens outside of the cluster, and a forwarding rule may outlive the"
            f" stack and its budget; make it ClusterIP and {_MEND}"
        )
    if each_in(resource.get("spec.externalIPs")):
        yield f"it has externalIPs, so the server listens outside of the cluster; remove them and {_MEND}"


def _control_plane(resource: Resource) -> Iterator[str]:
    by_address = resource.get("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled")
    if by_address in (False, UNKNOWN):
        return
    networks = resource.get("masterAuthorizedNetworksConfig.cidrBlocks")
    if networks is UNKNOWN:
        return
    if not networks:
        yield (
            "its control plane answers on a public address and names no authorised networks, so the whole internet can"
            " connect; list them in shapebench:gke.authorizedNetworks, or leave that empty for the DNS-based endpoint,"
            " which IAM protects"
        )
    admitted = [str(at(network, "cidrBlock")) for network in each_in(networks)]
    if _admit_the_internet(admitted):
        yield (
            f"its control plane admits {', '.join(admitted)}, which is as good as the internet; give the ranges that"
            " you connect from in shapebench:gke.authorizedNetworks, a /8 in all at most"
        )
    if resource.get("masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled") is True:
        yield (
            "its control plane admits every address of Google Cloud, so any customer's machine may knock; set"
            " gcpPublicCidrsAccessEnabled to false"
        )


def _admit_the_internet(cidrs: list[str]) -> bool:
    addresses = {4: 0, 6: 0}
    for cidr in cidrs:
        # What is no network is refused by Google.
        with suppress(ValueError):
            network = ipaddress.ip_network(cidr, strict=False)
            addresses[network.version] += network.num_addresses
    return any(addresses[version] > most for version, most in _MOST_ADDRESSES.items())
