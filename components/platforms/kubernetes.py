"""KubernetesPlatform: model, server and load test in an existing cluster, as one component."""

import pulumi
from pulumi_kubernetes import Provider

from components.load_test.cluster import ClusterLoadTest, load_test_args
from components.load_test.store_check import StoreCheck, store_check_args
from components.load_test.unfetched_rows import UnfetchedRows, UnfetchedRowsArgs
from components.platform_args import PlatformArgs
from components.serving.model_export import ModelExport, export_args
from components.serving.tf_serving import TfServing, TfServingArgs
from components.serving.variant import BucketAccess, ClusterAccess
from stacks.allocatable import PodResources, stack_pod_resources
from stacks.machines.kubernetes import DIGEST_PLACE
from stacks.names import STACK, label_value
from stacks.server.protocols import PLAIN_GENERATOR_IMAGE


class KubernetesPlatform(pulumi.ComponentResource):
    """All resources of a stack in an existing cluster."""

    model: ModelExport
    serving: TfServing
    load_test: ClusterLoadTest

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # What was declared before an error is created all the same: Pulumi waits for it.
        resources, payload = stack_pod_resources(args.stack, args.settings, args.model), args.payload_parts
        super().__init__("shapebench:kubernetes:KubernetesPlatform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        check = StoreCheck(f"{name}-store-check", store_check_args(args), child)
        # Every resource in the cluster needs its provider, so it is created after the check.
        checked = pulumi.ResourceOptions(parent=self, depends_on=[check])
        cluster = Provider(f"{name}-cluster", context=args.settings.kubernetes.context, opts=checked)
        self.model = ModelExport(f"{name}-model", export_args(args), checked)
        inside = pulumi.ResourceOptions(parent=self, provider=cluster)
        self.serving = TfServing(f"{name}-serving", _serving_args(args, self.model, resources), inside)
        load_args = load_test_args(args, self.model, self.serving, args.settings.kubernetes.generator_pool)
        unfetched = UnfetchedRows(
            f"{name}-unfetched-rows",
            UnfetchedRowsArgs.of(load_args),
            pulumi.ResourceOptions(parent=self, depends_on=[self.serving]),
        )
        self.load_test = ClusterLoadTest(
            f"{name}-load-test",
            load_args,
            payload,
            pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[self.serving, unfetched])),
        )
        self.register_outputs({})


def _serving_args(args: PlatformArgs, model: ModelExport, resources: PodResources | None) -> TfServingArgs:
    settings, kubernetes = args.settings, args.settings.kubernetes
    shape = settings.node_shape(args.stack)
    waits_with = kubernetes.generator_image or PLAIN_GENERATOR_IMAGE
    annotations = kubernetes.service_account_annotations or {}
    return TfServingArgs(
        namespace=kubernetes.namespace,
        image=settings.serving_image,
        own_server=settings.server,
        shape=shape,
        replicas=shape.nodes,
        autoscaler_settings=settings.autoscaler,
        # The server loads the model from a path of its own, which names the digest: it is this model or none.
        model_uri=model.digest.apply(lambda digest: kubernetes.model_uri.replace(DIGEST_PLACE, digest)),
        model=args.model,
        model_digest=model.digest,
        variant=settings.variant,
        threads=settings.request_threads,
        access=ClusterAccess(context=kubernetes.context),
        bucket=BucketAccess(waits_with, annotations) if kubernetes.on_bucket else None,
        pool=kubernetes.pool,
        resources=resources,
        one_a_node=kubernetes.one_a_node,
        seed_faithful=kubernetes.seed_faithful,
        labels={STACK: label_value(args.stack)},
    )
