"""The arguments of a load test in a cluster, whether or not the stack creates the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.load_test.cluster import ClusterLoadTestArgs
from components.load_test.inputs import base_url, serving_record, store_uri
from components.serving.model_export import ModelExport
from components.serving.tf_serving import TfServing
from stacks.images import GENERATOR_IMAGES
from stacks.servers import server_in
from stacks.settings import Settings


@dataclass(kw_only=True)
class ClusterTarget:
    """What differs between platforms: access to the cluster, images, and the generator's nodes."""

    kubeconfig: pulumi.Input[str] | None = None
    """Of a cluster that the stack creates; None for the user's own kubeconfig and its `context`."""
    context: str | None = None
    serving_image: str
    generator_image: str | None
    """None for Locust's own image for the protocol."""
    generator_pool: Mapping[str, str]


def load_test_args(
    stack: str, settings: Settings, checkout: Path, model: ModelExport, serving: TfServing, target: ClusterTarget
) -> ClusterLoadTestArgs:
    """The arguments of a load test in a cluster."""
    shape = settings.node_shape(stack)
    server, version = server_in(target.serving_image)
    return ClusterLoadTestArgs(
        stack=stack,
        platform=settings.platform,
        kubeconfig=target.kubeconfig,
        context=target.context,
        namespace=serving.namespace,
        base_url=base_url(settings.serving.protocol, serving.rest_url, serving.grpc_address),
        selector=serving.selector,
        replicas=shape.nodes,
        fingerprint=serving.fingerprint,
        serving=serving_record(settings, server, version, model),
        profile=settings.load.model_dump(),
        shape=shape.model_dump(),
        region=settings.region,
        repeats=settings.repeats,
        processes=settings.processes,
        rerun=settings.rerun,
        results=store_uri(settings.results, checkout),
        work_dir=str(checkout / ".state/runs"),
        generator_image=target.generator_image or GENERATOR_IMAGES[settings.serving.protocol],
        node_selector=target.generator_pool,
    )
