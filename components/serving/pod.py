"""The pod of the server: one hardened container with explicit threads and probes."""

from pathlib import PurePosixPath

import pulumi
from pulumi_kubernetes.core.v1 import (
    AffinityArgs,
    CapabilitiesArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    ContainerPortArgs,
    EmptyDirVolumeSourceArgs,
    GRPCActionArgs,
    HTTPGetActionArgs,
    PodAffinityTermArgs,
    PodAntiAffinityArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecurityContextArgs,
    TolerationArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from components.serving.variant import TfServingArgs
from stacks.allocatable import PodResources
from stacks.names import GRPC_PORT, NAME, REST_PORT, SERVER_LABELS, SERVICE_ACCOUNT

_CONFIG_DIR = PurePosixPath("/etc/tf-serving")
_NOBODY = 65532
# A load of ResNet50 from a bucket and its warm-up take 10 to 60 s on two vCPUs.
STARTUP_LIMIT_S = 600
_STARTUP_PERIOD_S = 5
# The official image's entrypoint is a shell that does not forward SIGTERM, so every rollout waits this long. No load
# test runs then.
_TERMINATION_GRACE_S = 5


def pod_template(args: TfServingArgs, config_map: str) -> PodTemplateSpecArgs:
    """The pod template of a serving variant; `config_map` is the name of the ConfigMap with the config files."""
    return PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(labels=SERVER_LABELS),
        spec=PodSpecArgs(
            containers=[_container(args)],
            volumes=[
                VolumeArgs(name="config", config_map=ConfigMapVolumeSourceArgs(name=config_map)),
                VolumeArgs(name="tmp", empty_dir=EmptyDirVolumeSourceArgs(size_limit="256Mi")),
            ],
            security_context=PodSecurityContextArgs(
                run_as_non_root=True,
                run_as_user=_NOBODY,
                run_as_group=_NOBODY,
                seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
            ),
            service_account_name=SERVICE_ACCOUNT if args.on_bucket else None,
            # GKE's metadata server gets the token of the pod's account from the API; none needs to be mounted.
            automount_service_account_token=False,
            enable_service_links=False,
            termination_grace_period_seconds=_TERMINATION_GRACE_S,
            affinity=_one_a_node() if args.spread else None,
            node_selector=args.pool or None,
            tolerations=[
                TolerationArgs(key=key, operator="Equal", value=value, effect="NoSchedule")
                for key, value in args.pool.items()
            ]
            or None,
        ),
    )


def _container(args: TfServingArgs) -> ContainerArgs:
    return ContainerArgs(
        name=NAME,
        image=args.image,
        image_pull_policy="IfNotPresent",
        # No command: these flags follow those of the image's entrypoint, and the last of two equal flags counts.
        args=_flags(args),
        ports=[
            ContainerPortArgs(name="rest", container_port=REST_PORT),
            ContainerPortArgs(name="grpc", container_port=GRPC_PORT),
        ],
        resources=_resources(args.pod) if args.pod else None,
        startup_probe=None if args.seed_faithful else _startup_probe(args),
        readiness_probe=None if args.seed_faithful else _readiness_probe(),
        security_context=SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=[
            VolumeMountArgs(name="config", mount_path=str(_CONFIG_DIR), read_only=True),
            VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
        ],
    )


def _flags(args: TfServingArgs) -> list[pulumi.Input[str]]:
    model_flags = args.server.model_flags(args.model_name, args.model_uri)
    return [
        *(pulumi.Output.concat(flag, "=", value) for flag, value in model_flags.items()),
        *args.server.flags(
            args.variant,
            rest_port=REST_PORT,
            grpc_port=GRPC_PORT,
            config_dir=_CONFIG_DIR,
            request_threads=args.request_threads,
        ),
        *args.server.load_once_flags,
    ]


def _startup_probe(args: TfServingArgs) -> ProbeArgs:
    """Succeeds once the model can answer requests."""
    return ProbeArgs(
        http_get=HTTPGetActionArgs(
            path=pulumi.Output.from_input(args.model_name).apply(args.server.ready_path),
            port=REST_PORT,
        ),
        period_seconds=_STARTUP_PERIOD_S,
        timeout_seconds=_STARTUP_PERIOD_S,
        failure_threshold=STARTUP_LIMIT_S // _STARTUP_PERIOD_S,
    )


def _readiness_probe() -> ProbeArgs:
    """Asks the gRPC health service: a saturated server is slow but must stay in its Services."""
    return ProbeArgs(
        grpc=GRPCActionArgs(port=GRPC_PORT),
        period_seconds=10,
        timeout_seconds=5,
        failure_threshold=6,
    )


def _resources(pod: PodResources) -> ResourceRequirementsArgs:
    resources = {"cpu": f"{pod.cpu_millis}m", "memory": f"{pod.memory_mib}Mi"}
    return ResourceRequirementsArgs(requests=resources, limits=resources)


def _one_a_node() -> AffinityArgs:
    return AffinityArgs(
        pod_anti_affinity=PodAntiAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                PodAffinityTermArgs(
                    topology_key="kubernetes.io/hostname",
                    label_selector=LabelSelectorArgs(match_labels=SERVER_LABELS),
                )
            ]
        )
    )
