"""GkePlatform: network, cluster, model, server and load test on Google Cloud, as one component."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from analysis.pricing.stack_cost import cost_output, hourly_sentence, kept_cost, load_cost
from analysis.results.schema.manifest import Cost
from components.gke.cluster import GkeCluster
from components.gke.control_plane import GkeClusterArgs
from components.gke.lease import Lease, LeaseArgs
from components.gke.model_in_place import ModelInPlace, ModelInPlaceArgs
from components.gke.model_store import ModelStore, ModelStoreArgs
from components.gke.network import Network, NetworkArgs
from components.gke.node_pool import LOAD_POOL, SERVING_POOL
from components.gke.preflight import Preflight, PreflightArgs
from components.load_test.cluster import ClusterLoadTest, load_test_args
from components.load_test.store_check import StoreCheck, store_check_args
from components.load_test.unfetched_rows import UnfetchedRows, UnfetchedRowsArgs
from components.platform_args import PlatformArgs
from components.serving.model_export import ModelExport, export_args
from components.serving.tf_serving import TfServing, TfServingArgs
from components.serving.variant import BucketAccess, ClusterAccess
from loadtest.run.remote_model import remote_model
from stacks.allocatable import stack_pod_resources
from stacks.machines.quota_needs import needs
from stacks.names import SERVICE_ACCOUNT, account_id, account_names, stack_labels
from stacks.server.protocols import PLAIN_GENERATOR_IMAGE

# The cluster holds one stack, so the name need not be unique.
NAMESPACE = "shapebench"

Labels = pulumi.Output[dict[str, str]]


@dataclass
class GkePlatformArgs(PlatformArgs):
    """The zone and the `gcp:*` keys, too."""

    zone: str
    google: Mapping[str, str] = field(default_factory=dict)


class GkePlatform(pulumi.ComponentResource):
    """All resources of a GKE stack."""

    cost: dict[str, Any]
    """The hourly price, known in previews: analysis.pricing.stack_cost.cost_output."""
    lease: Lease
    cluster: GkeCluster
    model_store: ModelStore | ModelInPlace
    serving: TfServing
    load_test: ClusterLoadTest

    def __init__(self, name: str, args: GkePlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings = args.settings
        # What was declared before an error is created all the same: Pulumi waits for it.
        stack_pod_resources(args.stack, settings, args.model)
        payload = args.payload_parts
        super().__init__("shapebench:gke:GkePlatform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=settings.gke.protect)
        self.cost = cost_output(*costs_of(args), settings.load.total_s)
        preflight = Preflight(f"{name}-preflight", _preflight_args(args), child)
        store_check = StoreCheck(f"{name}-store-check", store_check_args(args), child)
        # Every Google Cloud resource has the lease's labels or depends on one that has, so it is created after both.
        checked = pulumi.ResourceOptions(parent=self, depends_on=[preflight, store_check])
        self.lease = Lease(f"{name}-lease", LeaseArgs(hours=settings.gke.expires_after_h), checked)
        labels = pulumi.Output.all(self.lease.commit, self.lease.expires_at).apply(
            lambda known: stack_labels(args.stack, *known)
        )
        network = Network(f"{name}-network", NetworkArgs(region=settings.region, labels=labels), protected)
        cluster_args = GkeClusterArgs(
            zone=args.zone,
            network=network,
            labels=labels,
            no_upgrades_from=self.lease.starts_at,
            no_upgrades_until=self.lease.expires_at,
            shape=settings.node_shape(args.stack),
            load_shape=settings.load_shape,
            settings=settings.gke,
            machine_token=settings.machine_token,
        )
        self.cluster = GkeCluster(f"{name}-cluster", cluster_args, protected)
        model = ModelExport(f"{name}-model", export_args(args), checked)
        self.model_store = (
            ModelInPlace(f"{name}-models", _in_place_args(args, self.cluster, preflight), child)
            if args.model.in_place
            else ModelStore(f"{name}-models", _store_args(args, self.cluster, model, labels), protected)
        )
        # Deleting the cluster deletes what is in it, so a destroy needs no control plane, which may be gone already.
        inside = pulumi.ResourceOptions(
            parent=self, provider=self.cluster.provider, deleted_with=self.cluster.control_plane
        )
        serving_args = _serving_args(args, model, self.model_store, self.cluster.kubeconfig, labels)
        self.serving = TfServing(f"{name}-serving", serving_args, inside)
        load_args = load_test_args(args, model, self.serving, LOAD_POOL, self.cluster.kubeconfig)
        unfetched = UnfetchedRows(
            f"{name}-unfetched-rows",
            UnfetchedRowsArgs.of(load_args),
            # Not deleted with the cluster: its deletion saves what is in it.
            pulumi.ResourceOptions(parent=self, depends_on=[self.serving]),
        )
        self.load_test = ClusterLoadTest(
            f"{name}-load-test",
            load_args,
            payload,
            pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[self.serving, unfetched])),
        )
        self.register_outputs({})


def costs_of(args: GkePlatformArgs) -> tuple[Cost, Cost]:
    """The costs of serving, and of the load test's nodes."""
    settings = args.settings
    return (
        kept_cost(settings.platform, settings.node_shape(args.stack), settings.region, args.model.uploaded_bytes),
        load_cost(settings.load_shape, settings.region),
    )


def _preflight_args(args: GkePlatformArgs) -> PreflightArgs:
    settings = args.settings
    return PreflightArgs(
        stack=args.stack,
        zone=args.zone,
        project=args.google.get("gcp:project"),
        google=pulumi.Output.secret(args.google),
        needs=[need.to_inputs() for need in needs(settings.node_shape(args.stack), settings.load_shape)],
        accounts=account_names(args.stack),
        costs=hourly_sentence(*costs_of(args)),
        model_bucket=args.model.bucket,
        ask=settings.gke.preflight,
    )


def _store_args(args: GkePlatformArgs, cluster: GkeCluster, model: ModelExport, labels: Labels) -> ModelStoreArgs:
    return ModelStoreArgs(
        region=args.settings.region,
        labels=labels,
        model=args.model,
        model_path=model.path,
        model_digest=model.digest,
        workload_pool=cluster.workload_pool,
        namespace=NAMESPACE,
        service_account=_reader(args),
    )


def _in_place_args(args: GkePlatformArgs, cluster: GkeCluster, preflight: Preflight) -> ModelInPlaceArgs:
    return ModelInPlaceArgs(
        model=args.model,
        project_number=preflight.project_number,
        workload_pool=cluster.workload_pool,
        namespace=NAMESPACE,
        service_account=_reader(args),
    )


def _reader(args: GkePlatformArgs) -> str:
    """The Kubernetes service account that reads the model.

    In a bucket of others each stack has its own: the project's clusters share their accounts, and the stack that is
    destroyed first would take the grant from the others.
    """
    return account_id(args.stack, "model") if args.model.in_place else SERVICE_ACCOUNT


def _bucket_access(args: GkePlatformArgs) -> BucketAccess:
    settings = args.settings
    in_place = remote_model(str(settings.model.path)) if args.model.in_place else None
    return BucketAccess(
        settings.gke.generator_image or PLAIN_GENERATOR_IMAGE,
        service_account=_reader(args),
        objects=in_place.objects if in_place else {},
    )


def _serving_args(
    args: GkePlatformArgs,
    model: ModelExport,
    store: ModelStore | ModelInPlace,
    kubeconfig: pulumi.Output[str],
    labels: Labels,
) -> TfServingArgs:
    settings = args.settings
    shape = settings.node_shape(args.stack)
    return TfServingArgs(
        namespace=NAMESPACE,
        image=settings.serving_image,
        own_server=settings.server,
        shape=shape,
        replicas=shape.nodes,
        autoscaler_settings=settings.autoscaler,
        model_uri=store.uri,
        model=args.model,
        model_digest=model.digest,
        variant=settings.variant,
        threads=settings.request_threads,
        access=ClusterAccess(kubeconfig),
        bucket=_bucket_access(args),
        pool=SERVING_POOL,
        seed_faithful=settings.gke.seed_faithful,
        labels={key: labels[key] for key in stack_labels("", "", "")},
    )
