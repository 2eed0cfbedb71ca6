"""Network: a VPC whose nodes have no public addresses and reach the internet through NAT."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_gcp.compute import RouterNatLogConfigArgs, RouterNatSubnetworkArgs, SubnetworkSecondaryIpRangeArgs
from pulumi_gcp.compute.network import Network as VpcNetwork
from pulumi_gcp.compute.router import Router
from pulumi_gcp.compute.router_nat import RouterNat
from pulumi_gcp.compute.subnetwork import Subnetwork

from stacks.names import as_description

PODS_RANGE, SERVICES_RANGE = "pods", "services"

# The ranges do not overlap. A node takes a /26 of the pods' range (32 pods), so there is room for 1024 nodes.
_NODES_CIDR = "10.0.0.0/22"
_PODS_CIDR = "10.16.0.0/16"
_SERVICES_CIDR = "10.32.0.0/20"


@dataclass
class NetworkArgs:
    """The region, and the labels of the stack."""

    region: pulumi.Input[str]
    labels: pulumi.Input[Mapping[str, str]]


class Network(pulumi.ComponentResource):
    """A VPC with one subnetwork, with ranges for pods and services. Nothing in it is reachable from outside."""

    vpc: VpcNetwork
    subnetwork: Subnetwork
    nat: RouterNat

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:Network", name, None, opts)
        # Networks have no labels. Changing a description would replace the network, and a renewed lease must not: the
        # labels of cluster and bucket say when the stack expires.
        described = pulumi.ResourceOptions(parent=self, ignore_changes=["description"])
        description = pulumi.Output.from_input(args.labels).apply(as_description)
        self.vpc = VpcNetwork(
            f"{name}-vpc",
            description=description,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=described,
        )
        self.subnetwork = Subnetwork(
            f"{name}-subnet",
            description=description,
            network=self.vpc.id,
            region=args.region,
            ip_cidr_range=_NODES_CIDR,
            secondary_ip_ranges=[
                SubnetworkSecondaryIpRangeArgs(range_name=PODS_RANGE, ip_cidr_range=_PODS_CIDR),
                SubnetworkSecondaryIpRangeArgs(range_name=SERVICES_RANGE, ip_cidr_range=_SERVICES_CIDR),
            ],
            # Nodes reach Google's APIs, such as the bucket, without NAT and its fee.
            private_ip_google_access=True,
            opts=described,
        )
        router = Router(
            f"{name}-router", description=description, network=self.vpc.id, region=args.region, opts=described
        )
        self.nat = RouterNat(
            f"{name}-nat",
            router=router.name,
            region=args.region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[RouterNatSubnetworkArgs(name=self.subnetwork.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])],
            log_config=RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
