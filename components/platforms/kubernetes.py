"""KubernetesPlatform: model, server and load test in an existing cluster, as one component."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import Provider

from components.load_test.cluster import ClusterLoadTest
from components.load_test.cluster_args import ClusterTarget, load_test_args
from components.serving.model_export import ModelExport, ModelExportArgs
from components.serving.tf_serving import TfServing, TfServingArgs
from stacks.allocatable import PodResources
from stacks.kubernetes import DIGEST_PLACE, KubernetesSettings
from stacks.settings import Settings


@dataclass
class KubernetesPlatformArgs:
    """The stack's name and settings, and the checkout for exports and results."""

    stack: str
    settings: Settings
    checkout: Path


class KubernetesPlatform(pulumi.ComponentResource):
    """All resources of a stack in an existing cluster."""

    model: ModelExport
    serving: TfServing
    load_test: ClusterLoadTest

    def __init__(self, name: str, args: KubernetesPlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:kubernetes:KubernetesPlatform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        cluster = Provider(f"{name}-cluster", context=args.settings.kubernetes.context, opts=child)
        self.model = ModelExport(
            f"{name}-model",
            ModelExportArgs(weights=args.settings.model.weights, cache_dir=str(args.checkout / ".cache/models")),
            child,
        )
        inside = pulumi.ResourceOptions(parent=self, provider=cluster)
        self.serving = TfServing(f"{name}-serving", _serving_args(args, self.model), inside)
        target = _target(args.settings.kubernetes)
        self.load_test = ClusterLoadTest(
            f"{name}-load-test",
            load_test_args(args.stack, args.settings, args.checkout, self.model, self.serving, target),
            pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[self.serving])),
        )
        self.register_outputs({})


def _serving_args(args: KubernetesPlatformArgs, model: ModelExport) -> TfServingArgs:
    settings, kubernetes = args.settings, args.settings.kubernetes
    shape = settings.node_shape(args.stack)
    # The server loads the model from a path of its own, which names the digest: it is this model or none.
    uri = kubernetes.model_uri
    annotations = kubernetes.service_account_annotations
    return TfServingArgs(
        namespace=kubernetes.namespace,
        image=kubernetes.serving_image,
        shape=shape,
        replicas=shape.nodes,
        model_uri=model.digest.apply(lambda digest: uri_of_digest(uri, digest)),
        model_name=model.model_name,
        model_digest=model.digest,
        variant=settings.variant,
        service_account_annotations=(annotations or {}) if kubernetes.on_bucket else None,
        pool=kubernetes.pool,
        resources=PodResources(**kubernetes.pod.model_dump()) if kubernetes.pod else None,
        one_a_node=kubernetes.one_a_node,
        seed_faithful=kubernetes.seed_faithful,
        labels={"shapebench-stack": args.stack},
    )


def _target(kubernetes: KubernetesSettings) -> ClusterTarget:
    return ClusterTarget(
        context=kubernetes.context,
        serving_image=kubernetes.serving_image,
        generator_image=kubernetes.generator_image,
        generator_pool=kubernetes.generator_pool,
    )


def uri_of_digest(uri: str, digest: str) -> str:
    """The URI of the model with this digest."""
    return uri.replace(DIGEST_PLACE, digest)
