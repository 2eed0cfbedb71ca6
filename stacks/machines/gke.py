"""`shapebench:gke`: how a GKE stack creates its cluster, and the size of its boot disks, which pricing reads too."""

from typing import Annotated

from pydantic import Field

from stacks.frozen import Frozen
from stacks.machines.shapes import MachineType
from stacks.server.images import GeneratorImage, ServingImage

# The node image, the serving image and a 100 MB model take about 8 GB; the rest is for logs and one more image. All
# shapes have the same size, so that disks change no comparison; eight disks fit the usual quota.
BOOT_DISK_GB = 20

RELEASE_CHANNEL = "REGULAR"


class GkeSettings(Frozen):
    """Settings of the platform `gke`. Defaults are in `Pulumi.yaml`."""

    serving_image: ServingImage
    generator_image: GeneratorImage = None
    load_machine_type: Annotated[
        MachineType,
        Field(description="The machine type of the node for the load generator and GKE's own pods."),
    ]
    fresh_nodes: Annotated[
        bool,
        Field(
            description="true replaces the serving nodes before each new rerun and each block of a sweep, so that runs"
            " also show how much machines of one type differ. Give true or false."
        ),
    ]
    protect: Annotated[
        bool, Field(description="true protects network, cluster and bucket from `pulumi destroy` and from replacement.")
    ]
    expires_after_h: Annotated[
        int,
        Field(
            ge=1,
            le=336,
            description="Hours until the stack's lease ends: then the janitor may remove leftovers, and GKE may upgrade"
            " the cluster. Give 1 to 336.",
        ),
    ]
    binary_authorization: Annotated[
        bool, Field(description="true runs only images that the project's Binary Authorization policy allows.")
    ]
    cost_allocation: Annotated[bool, Field(description="true splits the cluster's bill by namespace and label.")]
    managed_prometheus: Annotated[
        bool, Field(description="true runs Managed Prometheus, whose collectors take CPU from the serving nodes.")
    ]
    preflight: Annotated[
        bool,
        Field(description="false creates the stack without the check of quotas, APIs and permissions."),
    ]
    seed_faithful: Annotated[
        bool, Field(description="true deploys as the published experiment did, without requests, limits and probes.")
    ]
