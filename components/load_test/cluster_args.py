"""What a load test in a cluster is told, whether the stack makes the cluster or finds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.load_test.cluster import ClusterLoadTestArgs
from components.load_test.local import base_url
from components.load_test.run_identity import account_of_serving, store_uri
from components.serving.model_export import ModelExport
from components.serving.tf_serving import TfServing
from stacks.images import GENERATOR_IMAGES
from stacks.servers import server_in
from stacks.settings import Settings


@dataclass(kw_only=True)
class InCluster:
    """What only the platform knows about a test in a cluster."""

    kubeconfig: pulumi.Input[str] | None = None
    """Of a cluster that the stack makes; None for the user's own kubeconfig, and then its `context`."""
    context: str | None = None
    serving_image: str
    generator_image: str | None
    """None for Locust's own of the stack's protocol."""
    generator_pool: Mapping[str, str]


def load_test_args(
    stack: str, settings: Settings, checkout: Path, model: ModelExport, serving: TfServing, where: InCluster
) -> ClusterLoadTestArgs:
    """The arguments of a test in a cluster."""
    shape = settings.node_shape(stack)
    server, version = server_in(where.serving_image)
    return ClusterLoadTestArgs(
        stack=stack,
        platform=settings.platform,
        kubeconfig=where.kubeconfig,
        context=where.context,
        namespace=serving.namespace,
        base_url=base_url(settings.serving.protocol, serving.rest_url, serving.grpc_address),
        selector=serving.selector,
        replicas=shape.nodes,
        fingerprint=serving.fingerprint,
        serving=account_of_serving(settings, server, version, model),
        profile=settings.load.model_dump(),
        shape=shape.model_dump(),
        region=settings.region,
        repeats=settings.repeats,
        processes=settings.processes,
        rerun=settings.rerun,
        results=store_uri(settings.results, checkout),
        work_dir=str(checkout / ".state/runs"),
        generator_image=where.generator_image or GENERATOR_IMAGES[settings.serving.protocol],
        node_selector=where.generator_pool,
    )
