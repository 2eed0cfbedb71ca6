"""TfServing: the server in a cluster, one pod a node, which only the load generator can reach."""

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs, DeploymentStrategyArgs
from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, Service, ServiceAccount, ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from components.serving.autoscaler import autoscaler_spec
from components.serving.model_access import MODEL_ACCESS_LIMIT_S, script_files
from components.serving.network_policies import make_network_policies
from components.serving.pod import pod_template
from components.serving.server_start import ServerStart, ServerStartArgs
from components.serving.variant import TfServingArgs, fingerprint_of
from stacks.explain import SettingsError
from stacks.machines.autoscaler import Autoscaler
from stacks.names import GRPC_SERVICE, NAME, REST_PORT, REST_SERVICE, SERVER_LABELS
from stacks.server.image_server import ServerPorts
from stacks.server.serving_variant import fingerprint

__all__ = ["TfServing", "TfServingArgs"]

_POD_SECURITY = "pod-security.kubernetes.io"
# For scheduling and for pulling images of some hundred megabytes.
_IMAGES_LIMIT_S = 300
# Pulumi's own wait for a Deployment reads no init container and no end of a container before its time is over, so it is
# told to wait for the controller only: ServerStart waits for the pods.
_SEEN = {"pulumi.com/waitFor": "jsonpath={.status.observedGeneration}"}


class TfServing(pulumi.ComponentResource):
    """A server's Deployment, Services and policies, in a namespace of its own. Needs a Kubernetes provider.

    Raises SettingsError where the server cannot serve the model.
    """

    namespace: pulumi.Output[str]
    selector: dict[str, str]
    """The labels of the server's pods."""
    autoscaler: Autoscaler | None
    """What changes the number of pods; None for as many all the time."""
    fewest: int
    """How many pods there are before the load."""
    rest_url: pulumi.Output[str]
    """Known once the server is ready."""
    grpc_address: pulumi.Output[str]
    """`host:port` of a headless service, whose name resolves to all pods; empty without one. Known once it is ready."""
    fingerprint: pulumi.Output[str]
    """Changes exactly when runs are no longer comparable with earlier ones."""

    def __init__(self, name: str, args: TfServingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        if reason := args.server.why_not(args.model):
            raise SettingsError(
                f"{args.image} cannot serve this model: {reason}; set another servingImage, such as"
                " tensorflow/serving:2.20.0"
            )
        super().__init__("shapebench:kubernetes:TfServing", name, None, opts)
        levels = {f"{_POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        namespace = Namespace(
            f"{name}-namespace",
            metadata=ObjectMetaArgs(name=args.namespace, labels={**args.labels, **levels}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        files = args.server.config_files(args.variant) | (script_files() if args.bucket else {})
        before: list[pulumi.Resource] = [
            _make_config_map(name, args.namespace, files, inside),
            *make_network_policies(
                name, args.namespace, args.server.ports, on_bucket=args.bucket is not None, opts=inside
            ),
        ]
        if args.bucket is not None:
            account = ObjectMetaArgs(
                name=args.bucket.service_account, namespace=args.namespace, annotations=args.bucket.annotations
            )
            before.append(
                ServiceAccount(f"{name}-account", metadata=account, automount_service_account_token=False, opts=inside)
            )
        deployment = _make_deployment(name, args, config_map_name(files), before, inside)
        if args.autoscaler:
            _make_autoscaler(name, args, args.autoscaler, deployment, inside)
        start = _make_start(name, args, deployment, pulumi.ResourceOptions(parent=self))
        ports = args.server.ports
        services = _make_services(name, args.namespace, ports, pulumi.ResourceOptions(parent=self, depends_on=[start]))
        serves = pulumi.Output.all(start.id, *(service.metadata for service in services))
        self.namespace = pulumi.Output.from_input(args.namespace)
        self.selector = dict(SERVER_LABELS)
        self.autoscaler, self.fewest = args.autoscaler, args.fewest
        self.rest_url = serves.apply(lambda _: f"http://{REST_SERVICE}.{args.namespace}.svc:{REST_PORT}")
        self.grpc_address = serves.apply(
            lambda _: f"{GRPC_SERVICE}.{args.namespace}.svc:{ports.grpc}" if ports.grpc else ""
        )
        self.fingerprint = fingerprint_of(args)
        self.register_outputs({})


def config_map_name(files: dict[str, str]) -> str:
    """The name, with a hash of the files: other files make another ConfigMap, which replaces the pods."""
    return f"{NAME}-{fingerprint(files)}"


def _deployment_name(args: TfServingArgs) -> str:
    """Another one for each server that brings its own ports.

    The API server previews a new Deployment as a change of one with its name that is still there, and merges the lists
    of both: ports by their numbers, whose names are then there twice.
    """
    return f"{NAME}-{fingerprint(args.own_server.model_dump(mode='json'))}" if args.own_server else NAME


def _start_limit_s(args: TfServingArgs) -> int:
    copying_s = MODEL_ACCESS_LIMIT_S if args.copies_model else 0
    return MODEL_ACCESS_LIMIT_S + copying_s + args.load_limit_s + _IMAGES_LIMIT_S


def _make_config_map(name: str, namespace: str, files: dict[str, str], opts: pulumi.ResourceOptions) -> ConfigMap:
    labels = {"app.kubernetes.io/name": NAME}
    metadata = ObjectMetaArgs(name=config_map_name(files), namespace=namespace, labels=labels)
    return ConfigMap(f"{name}-config", metadata=metadata, data=files, immutable=True, opts=opts)


def _make_deployment(
    name: str, args: TfServingArgs, config_map: str, before: list[pulumi.Resource], opts: pulumi.ResourceOptions
) -> Deployment:
    after = pulumi.ResourceOptions(
        # NetworkPolicies exist before the first pod and until the last one is deleted.
        depends_on=before,
        # Another variant is another Deployment, created when the last pod of the old one is deleted. After an update in
        # place with `Recreate`, Pulumi goes on while old pods still terminate.
        replace_on_changes=["spec"],
        delete_before_replace=True,
        custom_timeouts=pulumi.CustomTimeouts(delete=f"{_start_limit_s(args)}s"),
    )
    return Deployment(
        f"{name}-deployment",
        metadata=ObjectMetaArgs(
            name=_deployment_name(args), namespace=args.namespace, labels=SERVER_LABELS, annotations=_SEEN
        ),
        spec=DeploymentSpecArgs(
            # The autoscaler's number would be set back by each update.
            replicas=None if args.autoscaler else args.replicas,
            selector=LabelSelectorArgs(match_labels=SERVER_LABELS),
            # So that two variants never run at once, even if the Deployment is changed without Pulumi.
            strategy=DeploymentStrategyArgs(type="Recreate"),
            progress_deadline_seconds=_start_limit_s(args),
            # To go back, update the stack; a rollback would bypass its state.
            revision_history_limit=0,
            template=pod_template(args, config_map, drains=args.autoscaler is not None),
        ),
        opts=pulumi.ResourceOptions.merge(opts, after),
    )


def _make_autoscaler(
    name: str,
    args: TfServingArgs,
    autoscaler: Autoscaler,
    deployment: Deployment,
    opts: pulumi.ResourceOptions,
) -> None:
    HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=ObjectMetaArgs(name=NAME, namespace=args.namespace, labels=SERVER_LABELS),
        spec=autoscaler_spec(
            deployment.metadata.apply(lambda metadata: str(metadata.name)),
            (autoscaler.fewest, args.replicas),
            autoscaler.utilization(args.shape.vcpus),
            autoscaler.stabilization_s,
        ),
        opts=opts,
    )


def _make_start(name: str, args: TfServingArgs, deployment: Deployment, opts: pulumi.ResourceOptions) -> ServerStart:
    kubeconfig = args.access.kubeconfig
    start = ServerStartArgs(
        kubeconfig=None if kubeconfig is None else pulumi.Output.secret(kubeconfig),
        context=args.access.context,
        namespace=args.namespace,
        selector=SERVER_LABELS,
        replicas=args.fewest,
        autoscaled=True if args.autoscaler else None,
        deployment=deployment.metadata.apply(lambda metadata: str(metadata.uid)),
        limit_s=_start_limit_s(args),
    )
    return ServerStart(f"{name}-start", start, opts)


def _make_services(name: str, namespace: str, ports: ServerPorts, opts: pulumi.ResourceOptions) -> list[Service]:
    def service(suffix: str, service_name: str, port: int, cluster_ip: str | None) -> Service:
        return Service(
            f"{name}-{suffix}",
            metadata=ObjectMetaArgs(name=service_name, namespace=namespace, labels=SERVER_LABELS),
            spec=ServiceSpecArgs(
                type="ClusterIP",
                cluster_ip=cluster_ip,
                selector=SERVER_LABELS,
                ports=[ServicePortArgs(name=suffix, port=port, target_port=suffix)],
            ),
            opts=opts,
        )

    services = [service("rest", REST_SERVICE, REST_PORT, None)]
    if ports.grpc:
        # Headless for gRPC: through a cluster IP, all calls of a channel would go to one pod. Its name stands for the
        # pods' own addresses, so its port is theirs.
        services.append(service("grpc", GRPC_SERVICE, ports.grpc, "None"))
    return services
