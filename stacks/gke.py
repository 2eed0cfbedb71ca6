"""`shapebench:gke`: how the cluster of a GKE stack is made, and the facts about its nodes that pricing reads, too."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.frozen import Frozen
from stacks.images import GeneratorImage, ServingImage
from stacks.shapes import NodeShape, ShapeSettings, machine_resources

# The node image, the serving image and a 100 MB model take about 8 GB; the rest is room for logs and one more image.
# The same on every shape, so that it changes no comparison, and small, so that eight of them fit the usual quota.
BOOT_DISK_GB = 20

_WIDEST_PREFIX = 8


def _known_machine_type(machine_type: str) -> str:
    machine_resources(machine_type)
    return machine_type


def _some_network(cidr: str) -> str:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(f"{error}, so it would admit nobody; give an IPv4 range such as 203.0.113.0/24") from None
    if network.prefixlen < _WIDEST_PREFIX:
        raise ValueError(
            f"{cidr} would open the control plane to the internet; give the ranges that you come from, or leave"
            " authorizedNetworks out: the DNS-based endpoint asks IAM who you are, wherever you are"
        )
    return cidr


class GkeSettings(Frozen):
    """For the platform `gke` only. Defaults are in `Pulumi.yaml`."""

    serving_image: ServingImage
    generator_image: GeneratorImage = None
    load_machine_type: Annotated[
        str,
        AfterValidator(_known_machine_type),
        Field(description="The machine type of the nodes that host Locust and the system's pods."),
    ]
    load_nodes: Annotated[
        int,
        Field(ge=1, le=16, description="Without a node there is nowhere for Locust to run. Give 1 to 16."),
    ]
    authorized_networks: Annotated[
        tuple[Annotated[str, AfterValidator(_some_network)], ...],
        Field(
            strict=False,
            description="IPv4 ranges that may reach the control plane by its address. Give [] for the DNS-based"
            " endpoint instead, which IAM protects.",
        ),
    ]
    protect: Annotated[
        bool, Field(description="true makes `pulumi destroy` and replacements refuse the network, cluster and bucket.")
    ]
    expires_after_h: Annotated[
        int,
        Field(
            ge=1,
            le=336,
            description="Hours until what is left over may be removed; upgrades are kept away that long, too, which"
            " GKE grants for a while only. Give 1 to 336.",
        ),
    ]
    binary_authorization: Annotated[
        bool, Field(description="true admits only images that the project's Binary Authorization policy admits.")
    ]
    cost_allocation: Annotated[bool, Field(description="true splits the cluster's bill by namespace and label.")]
    managed_prometheus: Annotated[
        bool, Field(description="true collects metrics; its collectors take CPU from the serving nodes.")
    ]
    preflight: Annotated[
        bool,
        Field(
            description="false makes the stack without asking Google first whether APIs, rights and quotas are there."
        ),
    ]
    seed_faithful: Annotated[
        bool, Field(description="true deploys as the published experiment did: no requests, no probes.")
    ]

    @property
    def load_shape(self) -> NodeShape:
        """The load pool's nodes."""
        return NodeShape.of("load", ShapeSettings(machine_type=self.load_machine_type, nodes=self.load_nodes))
