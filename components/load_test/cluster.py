"""ClusterLoadTest: the load test of a server in a cluster, with the ConfigMaps and the account of its pod."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.load_test.args import CommonArgs, common_args
from components.platform_args import PlatformArgs
from components.plugin_resource import PluginResource
from components.serving.model_export import ModelExport
from components.serving.tf_serving import TfServing
from loadtest.run import pod
from stacks.names import GENERATOR_LABELS


@dataclass(kw_only=True)
class ClusterLoadTestArgs(CommonArgs):
    """What every load test has, the cluster, and the generator's pod."""

    kubeconfig: pulumi.Input[str] | None
    """The kubeconfig of the cluster, which is secret. None for the user's own kubeconfig, which is not stored."""
    context: str | None = None
    """The context of the user's own kubeconfig; None for its current one."""
    namespace: pulumi.Input[str]
    selector: Mapping[str, str]
    """The labels of the server's pods. Without an autoscaler they must be the same before and after the test."""
    replicas: int
    """How many pods there are before the load."""
    generator_image: str
    """One of Locust's own images, or one with `locust` and `python` on PATH and a user 1000."""
    node_selector: Mapping[str, str]
    """Labels of the generator's nodes; empty for any node."""
    autoscaler: Mapping[str, object] | None = None
    """What changes the number of pods meanwhile: stacks.machines.autoscaler.Autoscaler."""
    start_timeout_s: float = 600
    """Seconds until the generator's pod must run, including the image pull, and until restarted servers are ready."""


def load_test_args(
    platform: PlatformArgs,
    model: ModelExport,
    serving: TfServing,
    node_selector: Mapping[str, str],
    kubeconfig: pulumi.Input[str] | None = None,
) -> ClusterLoadTestArgs:
    """The arguments for a cluster that the stack creates, or, without `kubeconfig`, for the user's own."""
    settings = platform.settings
    cluster = settings.gke if settings.platform == "gke" else settings.kubernetes
    return ClusterLoadTestArgs(
        **vars(common_args(platform, model, serving, *settings.deployed_server)),
        kubeconfig=kubeconfig,
        context=settings.kubernetes.context if kubeconfig is None else None,
        namespace=serving.namespace,
        selector=serving.selector,
        replicas=serving.fewest,
        autoscaler=serving.autoscaler.model_dump() if serving.autoscaler else None,
        generator_image=cluster.generator_image or settings.serving.sent_over.generator_image,
        node_selector=node_selector,
    )


@dataclass(kw_only=True)
class ClusterLoadTestRunArgs(ClusterLoadTestArgs):
    """The same, and the names of the pod's ConfigMaps and service account."""

    scripts: pulumi.Input[str]
    payload: Sequence[pulumi.Input[str]]
    service_account: pulumi.Input[str]


class ClusterLoadTestRun(PluginResource[ClusterLoadTestRunArgs]):
    """A finished load test. Deleting the resource keeps the results."""

    pulumi_type = "shapebench:kubernetes:LoadTest"

    run_id: pulumi.Output[str]
    headline: pulumi.Output[Mapping[str, float | None]]
    """Figures of run `run_id`, the median repeat: analysis.statistics.summary.RunSummary."""
    summary: pulumi.Output[str]
    """The most important of them in one line."""
    run_ids: pulumi.Output[Sequence[str]]
    """The ids of the runs of all repeats, in order."""


class ClusterLoadTest(pulumi.ComponentResource):
    """ConfigMaps with the scripts and the payload, a service account without permissions, and the load test itself."""

    run_id: pulumi.Output[str]
    run_ids: pulumi.Output[Sequence[str]]
    headline: pulumi.Output[Mapping[str, float | None]]
    summary: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: ClusterLoadTestArgs,
        payload: Mapping[str, bytes],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`payload` is by the keys of ConfigMaps: loadtest.run.pod.payload_parts."""
        super().__init__("shapebench:kubernetes:ClusterLoadTest", name, None, opts)
        # Children do not inherit a component's dependencies, such as the namespace.
        child = pulumi.ResourceOptions(parent=self, depends_on=opts.depends_on if opts else None)
        scripts = ConfigMap(f"{name}-scripts", metadata=_metadata(args), immutable=True, data=pod.scripts(), opts=child)
        # Not the requests that the pod writes from it, which are five times as large.
        sent = [
            ConfigMap(
                f"{name}-{key}",
                metadata=_metadata(args),
                immutable=True,
                binary_data={key: base64.b64encode(part).decode()},
                opts=child,
            )
            for key, part in payload.items()
        ]
        account = ServiceAccount(
            f"{name}-account", metadata=_metadata(args), automount_service_account_token=False, opts=child
        )
        run_args = ClusterLoadTestRunArgs(
            **vars(args)
            | {
                "kubeconfig": None if args.kubeconfig is None else pulumi.Output.secret(args.kubeconfig),
                "scripts": _name(scripts),
                "payload": [_name(config_map) for config_map in sent],
                "service_account": _name(account),
            }
        )
        run = ClusterLoadTestRun(f"{name}-run", run_args, child)
        self.run_id, self.run_ids, self.headline, self.summary = run.run_id, run.run_ids, run.headline, run.summary
        self.register_outputs({})


def _metadata(args: ClusterLoadTestArgs) -> ObjectMetaArgs:
    return ObjectMetaArgs(namespace=args.namespace, labels=GENERATOR_LABELS)


def _name(declared: ConfigMap | ServiceAccount) -> pulumi.Output[str]:
    name: pulumi.Output[str] = declared.metadata.apply(lambda metadata: str(metadata.name))
    return name
