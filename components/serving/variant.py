"""What is deployed to a cluster: the arguments of TfServing, and the fingerprint of what a measurement measures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from serving.servers import Server, server_named
from stacks.allocatable import PodResources, pod_resources
from stacks.servers import server_in
from stacks.serving_variant import ServingVariant, fingerprint
from stacks.shapes import NodeShape

# TF Serving's own default is this many for each CPU that it sees, which are the node's and not the pod's.
_REQUEST_THREADS_A_VCPU = 4


@dataclass(kw_only=True)
class TfServingArgs:
    """What is served, in which variant, on which nodes. All but the model's whereabouts is known when planning."""

    namespace: str
    """Made by this component, and removed with all that is in it."""
    image: str
    """Exact version or digest. Its entrypoint must take TF Serving's flags."""
    shape: NodeShape
    replicas: int
    model_uri: pulumi.Input[str]
    """`gs://…` or a path in the image: the folder above the version folders."""
    model_name: pulumi.Input[str]
    model_digest: pulumi.Input[str]
    """sha256 over the exported files."""
    variant: ServingVariant
    service_account_annotations: Mapping[str, pulumi.Input[str]] | None = None
    """Of the Kubernetes service account that reads the bucket; None where the model is not in one."""
    pool: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes that serve; a taint of the same key and value (NoSchedule) is tolerated."""
    resources: PodResources | None = None
    """Of one pod; None for what fits on a GKE node of the shape."""
    one_a_node: bool = True
    seed_faithful: bool = False
    """Deploy as the published experiment did: no requests or limits, no probes, pods may share a node."""
    labels: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """For the namespace, so that whoever cleans up knows whose it is."""

    @property
    def on_bucket(self) -> bool:
        """Whether the server reads the model from Cloud Storage, so needs an identity and a way out."""
        return self.service_account_annotations is not None

    @property
    def server(self) -> Server:
        """The server that the image holds."""
        return server_named(server_in(self.image)[0])

    @property
    def pod(self) -> PodResources | None:
        """Requests and limits of a pod; None for neither."""
        return None if self.seed_faithful else self.resources or pod_resources(self.shape)

    @property
    def spread(self) -> bool:
        """Whether two pods are kept off one node."""
        return self.one_a_node and not self.seed_faithful

    @property
    def request_threads(self) -> int:
        """Threads that take requests, of each API."""
        return _REQUEST_THREADS_A_VCPU * self.shape.vcpus


def fingerprint_of(args: TfServingArgs) -> pulumi.Output[str]:
    """Changes exactly when a measurement would be one of something else.

    Where it runs (namespace, names, pool, bucket) and what it is called do not count; the model's digest does.
    """
    parts = {
        "image": args.image,
        "machine": [args.shape.machine_type, args.shape.vcpus, args.shape.memory_gb],
        "replicas": args.replicas,
        # The server answers over both protocols, whichever is measured: the load test has that in its own inputs.
        **args.variant.model_dump(exclude={"protocol"}),
        "pod": args.pod,
        "spread": args.spread,
        "seed_faithful": args.seed_faithful,
    }
    return pulumi.Output.from_input(args.model_digest).apply(lambda digest: fingerprint(parts | {"model": digest}))
