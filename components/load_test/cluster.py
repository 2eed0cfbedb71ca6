"""ClusterLoadTest: Locust inside the cluster, with all that its pod needs, and the run it makes."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.plugin_resource import PluginResource
from loadtest.run import pod
from loadtest.run.payload import photograph
from stacks.names import GENERATOR_LABELS


@dataclass(kw_only=True)
class ClusterLoadTestArgs:
    """What is asked of which server, from where in the cluster, and under whose name and prices it is kept."""

    stack: str
    platform: str
    kubeconfig: pulumi.Input[str] | None
    """Reaches the cluster; it is kept as a secret. None for the user's own kubeconfig, which is then not kept."""
    context: str | None = None
    """The context of the user's own kubeconfig; None for its current one."""
    namespace: pulumi.Input[str]
    base_url: pulumi.Input[str]
    """Where the server is, in the words of its protocol: http://… or grpc://host:port."""
    selector: Mapping[str, str]
    """The labels of the server's pods, which must be the same ones before and after."""
    replicas: int
    fingerprint: pulumi.Input[str]
    """Of what serves; a new one makes the test run again."""
    serving: pulumi.Input[Mapping[str, object]]
    """The manifest's account of what serves: analysis.results.manifest.Serving, but for image and replicas."""
    profile: Mapping[str, object]
    """What is asked: stacks.load_profiles.LoadProfile."""
    shape: Mapping[str, object]
    """What is priced: stacks.shapes.NodeShape."""
    region: str
    repeats: int
    """How many runs one update makes, each kept as a run of its own."""
    processes: int
    """How many processes of the generator ask."""
    rerun: str
    """Any text; a new one makes the test run again."""
    results: str
    """The store: an absolute folder or a URI."""
    work_dir: str
    """An absolute folder for what a run leaves behind only while it goes on."""
    generator_image: str
    """One of Locust's own images, or one that has `locust` and `python` on its PATH and a user 1000."""
    node_selector: Mapping[str, str]
    """Labels of the nodes that ask; empty for any."""
    start_timeout_s: float = 600
    """How long the generator's pod may take until it runs, its image pulled."""


@dataclass(kw_only=True)
class ClusterLoadTestRunArgs(ClusterLoadTestArgs):
    """The same, and the names of what has been declared for the pod."""

    scripts: pulumi.Input[str]
    payload: pulumi.Input[str]
    service_account: pulumi.Input[str]


class ClusterLoadTestRun(PluginResource):
    """A finished run. Deleting it keeps the results."""

    run_id: pulumi.Output[str]
    headline: pulumi.Output[Mapping[str, float | None]]
    """Figures of the hold phase of run `run_id`, the middle repeat: analysis.statistics.summary.RunSummary."""
    run_ids: pulumi.Output[Sequence[str]]
    """Of all repeats, in their order."""

    def __init__(self, name: str, args: ClusterLoadTestRunArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:kubernetes:LoadTest", name, args, opts)


class ClusterLoadTest(pulumi.ComponentResource):
    """The scripts and the photograph as ConfigMaps, an account that may do nothing, and the run. One run is one Job."""

    run_id: pulumi.Output[str]
    run_ids: pulumi.Output[Sequence[str]]
    headline: pulumi.Output[Mapping[str, float | None]]

    def __init__(self, name: str, args: ClusterLoadTestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:kubernetes:ClusterLoadTest", name, None, opts)
        # A component's children do not inherit what it waits for, such as the namespace.
        child = pulumi.ResourceOptions(parent=self, depends_on=opts.depends_on if opts else None)
        scripts = ConfigMap(f"{name}-scripts", metadata=_metadata(args), immutable=True, data=pod.scripts(), opts=child)
        # As pixels: the pod makes the 0.8 MB request of them, which would not leave much of a ConfigMap's 1 MiB.
        payload = ConfigMap(
            f"{name}-payload",
            metadata=_metadata(args),
            immutable=True,
            binary_data={pod.PIXELS.name: base64.b64encode(photograph().tobytes()).decode()},
            opts=child,
        )
        account = ServiceAccount(
            f"{name}-account", metadata=_metadata(args), automount_service_account_token=False, opts=child
        )
        run_args = ClusterLoadTestRunArgs(
            **vars(args)
            | {
                "kubeconfig": None if args.kubeconfig is None else pulumi.Output.secret(args.kubeconfig),
                "scripts": _name(scripts),
                "payload": _name(payload),
                "service_account": _name(account),
            }
        )
        run = ClusterLoadTestRun(f"{name}-run", run_args, child)
        self.run_id, self.run_ids, self.headline = run.run_id, run.run_ids, run.headline
        self.register_outputs({})


def _metadata(args: ClusterLoadTestArgs) -> ObjectMetaArgs:
    return ObjectMetaArgs(namespace=args.namespace, labels=GENERATOR_LABELS)


def _name(declared: ConfigMap | ServiceAccount) -> pulumi.Output[str]:
    name: pulumi.Output[str] = declared.metadata.apply(lambda metadata: str(metadata.name))
    return name
