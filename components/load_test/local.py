"""LoadTest: the load test of a server on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class LoadTestArgs:
    """The server, the load, and what the manifest records."""

    stack: pulumi.Input[str]
    platform: pulumi.Input[str]
    base_url: pulumi.Input[str]
    """The server's address, `http://…` or `grpc://host:port`."""
    rest_url: pulumi.Input[str]
    """The server's REST address, where its counters are read, whatever the protocol."""
    fingerprint: pulumi.Input[str]
    """Of the server; a new one makes the test run again."""
    serving: pulumi.Input[Mapping[str, object]]
    """What the manifest records of the server: analysis.results.manifest.Serving, without image and replicas."""
    profile: pulumi.Input[Mapping[str, object]]
    """The load profile: stacks.load_profiles.LoadProfile."""
    shape: pulumi.Input[Mapping[str, object]]
    """The shape that is priced: stacks.shapes.NodeShape."""
    region: pulumi.Input[str]
    repeats: int
    """The number of runs of one update."""
    processes: int
    """The number of workers of the generator."""
    rerun: pulumi.Input[str]
    """Any text. A new one makes the test run again."""
    results: pulumi.Input[str]
    """The results store: an absolute folder or a URI."""
    work_dir: pulumi.Input[str]
    """An absolute folder for the files of a run while it runs."""


class LoadTest(PluginResource):
    """A finished load test. Deleting the resource keeps the results."""

    run_id: pulumi.Output[str]
    headline: pulumi.Output[Mapping[str, float | None]]
    """Figures of run `run_id`, the median repeat: analysis.statistics.summary.RunSummary."""
    run_ids: pulumi.Output[Sequence[str]]
    """Of all repeats, in order."""

    def __init__(self, name: str, args: LoadTestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:local:LoadTest", name, args, opts)
