"""The NetworkPolicies of the server's namespace: everything is denied except what the test needs."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs, ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as net

from stacks.names import GENERATOR_LABELS, MASTER_PORT, SERVER_LABELS, SIDECAR_PORT
from stacks.server.image_server import ServerPorts

# The metadata servers that give a pod on GKE its tokens: the first with Dataplane V2, the second without. Source:
# "Restrict traffic with network policies", https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy.
_METADATA_SERVERS = {"169.254.169.254/32": 80, "169.254.169.252/32": 988}
# DNS servers that are not pods: NodeLocal DNSCache, and Cloud DNS for GKE.
_DNS_ADDRESSES = ("169.254.20.10/32", "169.254.169.254/32")
# Google's APIs have no fixed addresses, and a NetworkPolicy knows no names: any public address, over TLS.
_NOT_PUBLIC = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]


def make_network_policies(
    name: str, namespace: str, server_ports: ServerPorts, *, on_bucket: bool, opts: pulumi.ResourceOptions
) -> list[net.NetworkPolicy]:
    """Deny all traffic in the namespace, then allow the generator to reach the server, and each what it needs."""

    def policy(
        suffix: str,
        pods: Mapping[str, str],
        ingress: list[net.NetworkPolicyIngressRuleArgs],
        egress: list[net.NetworkPolicyEgressRuleArgs],
    ) -> net.NetworkPolicy:
        return net.NetworkPolicy(
            f"{name}-{suffix}",
            metadata=ObjectMetaArgs(name=suffix, namespace=namespace),
            spec=net.NetworkPolicySpecArgs(
                pod_selector=LabelSelectorArgs(match_labels=pods),
                policy_types=["Ingress", "Egress"],
                ingress=ingress,
                egress=egress,
            ),
            opts=opts,
        )

    generator, server = _pods(GENERATOR_LABELS), _pods(SERVER_LABELS)
    api = _ports(*(port for _, port in server_ports if port))
    return [
        policy("default-deny", {}, [], []),
        policy(
            "server",
            SERVER_LABELS,
            [net.NetworkPolicyIngressRuleArgs(from_=[generator], ports=api)],
            [_to_dns(), *_to_google()] if on_bucket else [],
        ),
        policy(
            "load-generator",
            GENERATOR_LABELS,
            # From any address: whose an API server's request has depends on the cluster. On GKE it is a pod's, the
            # konnectivity agent's (github.com/tigera/operator/pull/5212); elsewhere a node's, which a policy cannot
            # name. The sidecar behind the port answers nobody without the run's token.
            [
                net.NetworkPolicyIngressRuleArgs(ports=_ports(SIDECAR_PORT)),
                net.NetworkPolicyIngressRuleArgs(from_=[generator], ports=_ports(MASTER_PORT)),
            ],
            [
                _to_dns(),
                net.NetworkPolicyEgressRuleArgs(to=[server], ports=api),
                net.NetworkPolicyEgressRuleArgs(to=[generator], ports=_ports(MASTER_PORT)),
            ],
        ),
    ]


def _to_dns() -> net.NetworkPolicyEgressRuleArgs:
    dns_pods = net.NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": "kube-system"}),
        pod_selector=LabelSelectorArgs(
            match_expressions=[
                LabelSelectorRequirementArgs(key="k8s-app", operator="In", values=["kube-dns", "node-local-dns"])
            ]
        ),
    )
    addresses = [net.NetworkPolicyPeerArgs(ip_block=net.IPBlockArgs(cidr=cidr)) for cidr in _DNS_ADDRESSES]
    return net.NetworkPolicyEgressRuleArgs(
        to=[dns_pods, *addresses],
        ports=[net.NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")],
    )


def _to_google() -> list[net.NetworkPolicyEgressRuleArgs]:
    tokens = [
        net.NetworkPolicyEgressRuleArgs(
            to=[net.NetworkPolicyPeerArgs(ip_block=net.IPBlockArgs(cidr=cidr))], ports=_ports(port)
        )
        for cidr, port in _METADATA_SERVERS.items()
    ]
    public = net.NetworkPolicyPeerArgs(ip_block=net.IPBlockArgs(cidr="0.0.0.0/0", except_=_NOT_PUBLIC))
    return [*tokens, net.NetworkPolicyEgressRuleArgs(to=[public], ports=_ports(443))]


def _pods(labels: Mapping[str, str]) -> net.NetworkPolicyPeerArgs:
    return net.NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs(match_labels=labels))


def _ports(*ports: int) -> list[net.NetworkPolicyPortArgs]:
    return [net.NetworkPolicyPortArgs(port=port, protocol="TCP") for port in ports]
