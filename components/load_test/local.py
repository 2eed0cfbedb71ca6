"""LoadTest: one run of the generator against a server, its rows and price in the results store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class LoadTestArgs:
    """What is asked of which server, under whose name and at whose prices it is kept."""

    stack: pulumi.Input[str]
    platform: pulumi.Input[str]
    base_url: pulumi.Input[str]
    """Where the server is, in the words of its protocol: http://… or grpc://host:port."""
    rest_url: pulumi.Input[str]
    """Where it says what it counts, whatever the protocol is."""
    fingerprint: pulumi.Input[str]
    """Of what serves; a new one makes the test run again."""
    serving: pulumi.Input[Mapping[str, object]]
    """The manifest's account of what serves: analysis.results.manifest.Serving."""
    profile: pulumi.Input[Mapping[str, object]]
    """What is asked: stacks.load_profiles.LoadProfile."""
    shape: pulumi.Input[Mapping[str, object]]
    """What is priced: stacks.shapes.NodeShape."""
    region: pulumi.Input[str]
    repeats: int
    """How many runs one update makes, each kept as a run of its own."""
    processes: int
    """How many processes of the generator ask."""
    rerun: pulumi.Input[str]
    """Any text; a new one makes the test run again."""
    results: pulumi.Input[str]
    """The store: an absolute folder or a URI."""
    work_dir: pulumi.Input[str]
    """An absolute folder for what a run leaves behind only while it goes on."""


def base_url(protocol: str, rest_url: pulumi.Input[str], grpc_address: pulumi.Input[str]) -> pulumi.Output[str]:
    """Where the generator asks: at the port of its protocol, which the scheme says, too."""
    return (
        pulumi.Output.from_input(rest_url) if protocol == "rest" else pulumi.Output.format("grpc://{0}", grpc_address)
    )


class LoadTest(PluginResource):
    """A finished run. Deleting it keeps the results."""

    run_id: pulumi.Output[str]
    headline: pulumi.Output[Mapping[str, float | None]]
    """Figures of the hold phase of run `run_id`, the middle repeat: analysis.statistics.summary.RunSummary."""
    run_ids: pulumi.Output[Sequence[str]]
    """Of all repeats, in their order."""

    def __init__(self, name: str, args: LoadTestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:local:LoadTest", name, args, opts)
