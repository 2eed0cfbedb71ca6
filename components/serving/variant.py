"""The arguments of TfServing, and the fingerprint of a server in a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from serving.servers import ImageServer, Server, server_named
from stacks.allocatable import PodResources, pod_resources
from stacks.machines.autoscaler import Autoscaler, AutoscalerSettings
from stacks.machines.shapes import NodeShape
from stacks.names import SERVICE_ACCOUNT
from stacks.server.image_server import ImageServerSettings
from stacks.server.models import Model
from stacks.server.request_threads import RequestThreads
from stacks.server.servers import server_in
from stacks.server.serving_variant import ServingVariant, fingerprint


@dataclass(frozen=True)
class BucketAccess:
    """How a server's pod reads a model in a bucket."""

    image: str
    """The image of the init container that waits for the access. It has `python` on PATH."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """The annotations of the Kubernetes service account that reads the bucket."""
    service_account: str = SERVICE_ACCOUNT
    objects: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of creation of each file that the bucket must hold: RemoteModel.objects. Empty for any files."""


@dataclass(frozen=True)
class ClusterAccess:
    """How this machine reaches the cluster."""

    kubeconfig: pulumi.Input[str] | None = None
    """Secret. None for the user's own kubeconfig, which is not stored."""
    context: str | None = None
    """The context of the user's own kubeconfig; None for its current one."""


@dataclass(kw_only=True)
class TfServingArgs:
    """The model, the serving variant and the nodes. Everything but the model is known in previews."""

    namespace: str
    """Created by the component, and deleted with everything in it."""
    image: str
    """With an exact version or a digest. Its entrypoint must take the server's flags."""
    shape: NodeShape
    replicas: int
    model_uri: pulumi.Input[str]
    """`gs://…` or a path in the image: the folder above the version folders."""
    model: Model
    model_digest: pulumi.Input[str]
    """sha256 over the exported files."""
    variant: ServingVariant
    threads: RequestThreads
    access: ClusterAccess
    own_server: ImageServerSettings | None = None
    """What is known of the server in the image, where it is none of this project."""
    bucket: BucketAccess | None = None
    """None where the model is not in a bucket."""
    pool: Mapping[str, str] = field(default_factory=dict)
    """Labels of the serving nodes; taints (NoSchedule) with the same keys and values are tolerated."""
    resources: PodResources | None = None
    """The resources of one pod; None for those that fit on a GKE node of the shape."""
    one_a_node: bool = True
    seed_faithful: bool = False
    """Deploy as the published experiment did: no requests, limits or probes, REST threads by default, shared nodes."""
    labels: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """The labels of the namespace."""
    least_load_limit_s: int = 0
    """The least `load_limit_s`, where starts were measured; 0 for what follows from the model's size alone."""
    autoscaler_settings: AutoscalerSettings | None = None
    """What changes the number of pods, up to `replicas`; None for as many all the time."""

    @property
    def fewest(self) -> int:
        """How many pods there are before the load."""
        return self.autoscaler.fewest if self.autoscaler else self.replicas

    @property
    def autoscaler(self) -> Autoscaler | None:
        if self.autoscaler_settings is None:
            return None
        # Settings refuse an autoscaler of pods without a CPU request.
        assert self.pod
        return Autoscaler(**self.autoscaler_settings.model_dump(), request_millis=self.pod.cpu_millis)

    @property
    def server(self) -> Server:
        return ImageServer(self.own_server) if self.own_server else server_named(server_in(self.image)[0])

    @property
    def copies_model(self) -> bool:
        """Whether the model is copied from its bucket into each pod."""
        return self.bucket is not None and not self.server.reads_buckets

    @property
    def load_limit_s(self) -> int:
        """How long the server may take from its start until it answers."""
        return max(self.model.load_limit_s + self.server.conversion_limit_s, self.least_load_limit_s)

    @property
    def pod(self) -> PodResources | None:
        """Requests of a pod, and its memory limit; None for neither."""
        if self.seed_faithful:
            return None
        resources, limit_millis = self.resources or pod_resources(self.shape, self.model), self.variant.cpu_limit_millis
        if limit_millis is None:
            return resources
        # The API server refuses a request above the limit.
        return resources._replace(cpu_millis=min(resources.cpu_millis, limit_millis))

    @property
    def spread(self) -> bool:
        """Whether each pod must have a node of its own."""
        return self.one_a_node and not self.seed_faithful


def fingerprint_of(args: TfServingArgs) -> pulumi.Output[str]:
    """A fingerprint that changes exactly when runs are no longer comparable with earlier ones.

    Namespace, names, pool and bucket are not part of it; the model's digest is. Nor are gRPC's threads: they follow
    from the load, and are a quota that only matters where it is exceeded, which makes a run invalid.
    """
    parts = {
        "image": args.image,
        "machine": [args.shape.machine_type, args.shape.vcpus, args.shape.memory_gb],
        "replicas": args.replicas,
        # The server is the same for both protocols; the load test has the protocol in its own inputs.
        **args.variant.model_dump(exclude={"protocol"}),
        # An image's server has the threads that its arguments say.
        **({"args": args.own_server.args} if args.own_server else {"rest_threads": args.threads.rest}),
        "pod": args.pod,
        "spread": args.spread,
        **({"autoscaler": args.autoscaler.model_dump()} if args.autoscaler else {}),
        "seed_faithful": args.seed_faithful,
    }
    return pulumi.Output.from_input(args.model_digest).apply(lambda digest: fingerprint(parts | {"model": digest}))
