"""LoadTest: the load test of a server on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.load_test.args import CommonArgs
from components.plugin_resource import PluginResource


@dataclass(kw_only=True)
class LoadTestArgs(CommonArgs):
    """What every load test has, and where the server's counters are read."""

    rest_url: pulumi.Input[str]
    """The server's REST address, whatever the protocol."""
    payload: str
    """The file of the payload: loadtest.generator.payload."""
    server_log: pulumi.Input[str]
    """The file that a restarted server logs to."""
    start_timeout_s: float
    """Seconds until a restarted server must serve."""


class LoadTest(PluginResource[LoadTestArgs]):
    """A finished load test. Deleting the resource keeps the results."""

    pulumi_type = "shapebench:local:LoadTest"

    run_id: pulumi.Output[str]
    headline: pulumi.Output[Mapping[str, float | None]]
    """Figures of run `run_id`, the median repeat: analysis.statistics.summary.RunSummary."""
    summary: pulumi.Output[str]
    """The most important of them in one line."""
    run_ids: pulumi.Output[Sequence[str]]
    """The ids of the runs of all repeats, in order."""
