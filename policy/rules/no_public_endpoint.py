"""No server is published, and the control plane has no address."""

from collections.abc import Iterator

from policy.kinds import CLUSTER
from policy.requirement import Requirement
from policy.resource import UNKNOWN, Resource, entries, members_of

# Kinds that always publish something, of Kubernetes and of Google Cloud.
_PUBLISHING = {"Ingress", "Gateway", "MultiClusterIngress", "ForwardingRule", "GlobalForwardingRule"}
_INTERNAL = ("INTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED")
_FIX = "reach the server from inside the cluster by a Service of type ClusterIP, as the load generator does"
_ADDRESSES = {"gcp:compute/address:Address", "gcp:compute/globalAddress:GlobalAddress"}
_ADDRESS = Requirement("addressType", ("INTERNAL",), "so it is a public address, which is billed until it is released")
_CONTROL_PLANE = Requirement(
    # An address is what GKE gives where nothing is said.
    "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled",
    (False,),
    "so the control plane answers on an IP address, where anybody who reaches it can connect",
)
# Inputs that give a machine or a database a public address, whatever kind it is, and the values that do not.
_PUBLIC_ADDRESSES = {"accessConfigs": [], "ipv6AccessConfigs": [], "ipv4Enabled": False, "enableExternalIps": False}
_EVERY_ADDRESS = {"0.0.0.0/0", "::/0"}


def check(resource: Resource) -> Iterator[str]:
    if resource.type_name in _PUBLISHING and resource.get("loadBalancingScheme") not in _INTERNAL:
        yield f"it publishes a server on the internet, where anybody can send it requests; remove it and {_FIX}"
    elif resource.package == "gcp":
        yield from _on_google(resource)
    elif resource.package == "kubernetes" and resource.type_name == "Service":
        yield from _service(resource)
    elif resource.package == "kubernetes" and resource.type_name == "NetworkPolicy":
        for direction in ("ingress", "egress"):
            if any(member is UNKNOWN or member == {} for member in members_of(resource.get(f"spec.{direction}"))):
                yield f"its spec.{direction} admits every address and port, so it protects nothing; name the peers"


def _on_google(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER:
        yield from _CONTROL_PLANE.problems(resource.inputs)
    if resource.kind in _ADDRESSES:
        yield from _ADDRESS.problems(resource.inputs)
    inputs = [*entries(resource.inputs)]
    for key in dict.fromkeys(
        key for key, value in inputs if key in _PUBLIC_ADDRESSES and value not in (None, _PUBLIC_ADDRESSES[key])
    ):
        yield f"it has an address on the internet, where it can be scanned; remove {key}"
    for key, value in inputs:
        if isinstance(value, str) and value in _EVERY_ADDRESS:
            yield f"its {key} holds {value}, so the whole internet may connect; name the addresses that need it"


def _service(resource: Resource) -> Iterator[str]:
    kind = resource.get("spec.type")
    if kind not in (None, "ClusterIP"):
        yield (
            f"it is of type {kind}, so the server listens outside of the cluster, and a forwarding rule may stay and be"
            " billed after the stack is gone; make it ClusterIP: the load generator runs inside the cluster"
        )
    if members_of(resource.get("spec.externalIPs")):
        yield f"it has externalIPs, so the server listens outside of the cluster; remove them and {_FIX}"
