"""The pod of the server: one hardened container with explicit threads and probes."""

from collections.abc import Mapping
from pathlib import PurePosixPath

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from components.serving.model_access import init_container
from components.serving.variant import TfServingArgs
from serving.servers import Apis
from stacks.names import GRPC_PORT, NAME, REST_PORT, SERVER_LABELS
from stacks.server.image_server import MODEL_PLACE

_CONFIG_DIR = PurePosixPath("/etc/tf-serving")
# Where the model is copied for a server that reads no buckets, as the folder above the version folders.
_MODELS, _COPIED = PurePosixPath("/models"), PurePosixPath("/models/copied")
_NOBODY = 65532
_STARTUP_PERIOD_S = 5
# The official image's entrypoint is a shell that does not forward SIGTERM, so every rollout waits this long. No load
# test runs then.
_TERMINATION_GRACE_S = 5
# A pod that an autoscaler takes away still gets requests, which it answers, until every proxy and client has heard.
_DRAIN_S, _DRAINING_GRACE_S = 10, 40


def pod_template(
    args: TfServingArgs, config_map: str, labels: Mapping[str, str] = SERVER_LABELS, *, drains: bool = False
) -> core.PodTemplateSpecArgs:
    """The pod template of a serving variant.

    `config_map` is the name of the ConfigMap with the config files; no other pods in the namespace have the `labels`.
    `drains`: a pod ends while others serve, and answers what it still gets.
    """
    server = _container(args, drains=drains)
    return core.PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(labels=dict(labels)),
        spec=core.PodSpecArgs(
            init_containers=[
                init_container(args.bucket, args.model_uri, _CONFIG_DIR, server, _COPIED if args.copies_model else None)
            ]
            if args.bucket
            else None,
            containers=[server],
            volumes=[
                core.VolumeArgs(name="config", config_map=core.ConfigMapVolumeSourceArgs(name=config_map)),
                core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="256Mi")),
                *(
                    [core.VolumeArgs(name="model", empty_dir=core.EmptyDirVolumeSourceArgs())]
                    if args.copies_model
                    else []
                ),
            ],
            security_context=core.PodSecurityContextArgs(
                run_as_non_root=True,
                run_as_user=_NOBODY,
                run_as_group=_NOBODY,
                seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
            ),
            service_account_name=args.bucket.service_account if args.bucket else None,
            # GKE's metadata server gets the token of the pod's account from the API; none needs to be mounted.
            automount_service_account_token=False,
            enable_service_links=False,
            termination_grace_period_seconds=_DRAINING_GRACE_S if drains else _TERMINATION_GRACE_S,
            affinity=_one_a_node(labels) if args.spread else None,
            node_selector=args.pool or None,
            tolerations=[
                core.TolerationArgs(key=key, operator="Equal", value=value, effect="NoSchedule")
                for key, value in args.pool.items()
            ]
            or None,
        ),
    )


def _container(args: TfServingArgs, *, drains: bool) -> core.ContainerArgs:
    return core.ContainerArgs(
        name=NAME,
        image=args.image,
        image_pull_policy="IfNotPresent",
        # No command: these flags follow those of the image's entrypoint, and the last of two equal flags counts.
        args=_flags(args),
        env=_environment(args),
        ports=[core.ContainerPortArgs(name=name, container_port=port) for name, port in args.server.ports if port],
        resources=_resources(args),
        startup_probe=None if args.seed_faithful else _startup_probe(args),
        readiness_probe=None if args.seed_faithful else _readiness_probe(args),
        lifecycle=core.LifecycleArgs(pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=_DRAIN_S)))
        if drains
        else None,
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[
            core.VolumeMountArgs(name="config", mount_path=str(_CONFIG_DIR), read_only=True),
            core.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
            *([core.VolumeMountArgs(name="model", mount_path=str(_MODELS))] if args.copies_model else []),
        ],
        termination_message_policy="FallbackToLogsOnError",
    )


def _resources(args: TfServingArgs) -> core.ResourceRequirementsArgs | None:
    pod = args.pod
    if pod is None:
        return None
    # No CPU limit unless the variant has one: the kernel enforces it even while the node is idle.
    limit_millis = args.variant.cpu_limit_millis
    limit = {} if limit_millis is None else {"cpu": f"{limit_millis}m"}
    memory = {"memory": f"{pod.memory_mib}Mi"}
    return core.ResourceRequirementsArgs(requests={"cpu": f"{pod.cpu_millis}m"} | memory, limits=limit | memory)


def _flags(args: TfServingArgs) -> list[pulumi.Input[str]]:
    apis = Apis(
        rest_port=REST_PORT,
        grpc_port=GRPC_PORT,
        rest_threads=None if args.seed_faithful else args.threads.rest,
        grpc_threads=args.threads.grpc,
    )
    arguments = args.server.arguments(args.model.name, args.variant, apis, _CONFIG_DIR)
    model = str(_COPIED) if args.copies_model else args.model_uri
    return [*(_with_model(argument, model) for argument in arguments), *args.server.load_once_flags]


def _with_model(argument: str, model_uri: pulumi.Input[str]) -> pulumi.Input[str]:
    """The argument with the model's folder, which is known only when the model is there."""
    first, *others = argument.split(MODEL_PLACE)
    return pulumi.Output.concat(first, *(part for text in others for part in (model_uri, text))) if others else first


def _environment(args: TfServingArgs) -> list[core.EnvVarArgs] | None:
    variables = args.server.environment(args.variant)
    return [core.EnvVarArgs(name=name, value=value) for name, value in variables.items() if value is not None] or None


def _startup_probe(args: TfServingArgs) -> core.ProbeArgs:
    """Succeeds once the model can answer requests.

    A server that does not find its model waits for it for ever; a restart looks for it again.
    """
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(
            path=args.server.ready_path(args.model.name),
            port=args.server.ports.rest,
        ),
        period_seconds=_STARTUP_PERIOD_S,
        timeout_seconds=_STARTUP_PERIOD_S,
        failure_threshold=args.load_limit_s // _STARTUP_PERIOD_S,
    )


def _readiness_probe(args: TfServingArgs) -> core.ProbeArgs:
    """Asks the gRPC health service, or the kernel where there is none: a saturated server must stay in its Services."""
    ports = args.server.ports
    health = core.GRPCActionArgs(port=ports.grpc) if ports.grpc and args.server.has_grpc_health else None
    return core.ProbeArgs(
        grpc=health,
        tcp_socket=None if health else core.TCPSocketActionArgs(port=ports.rest),
        period_seconds=10,
        timeout_seconds=5,
        failure_threshold=6,
    )


def _one_a_node(labels: Mapping[str, str]) -> core.AffinityArgs:
    return core.AffinityArgs(
        pod_anti_affinity=core.PodAntiAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(
                    topology_key="kubernetes.io/hostname",
                    label_selector=LabelSelectorArgs(match_labels=dict(labels)),
                )
            ]
        )
    )
