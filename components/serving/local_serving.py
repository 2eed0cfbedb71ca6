"""LocalServing: a server as a process on this machine's loopback."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource
from stacks.server.serving_variant import ServingVariant


@dataclass
class LocalServingArgs:
    """The model, the serving variant, and how the server runs on this machine."""

    model: Mapping[str, object]
    """stacks.server.models.Model."""
    model_path: pulumi.Input[str]
    model_digest: pulumi.Input[str]
    variant: ServingVariant
    grpc_threads: int
    rest_threads: int
    """The number of threads for REST requests: stacks.server.request_threads."""
    server: pulumi.Input[str]
    """`auto` or a server's setting: stacks.server.servers. The plugin decides what `auto` is."""
    rest_port: pulumi.Input[int]
    grpc_port: pulumi.Input[int]
    start_timeout_s: pulumi.Input[float]
    state_dir: pulumi.Input[str]
    """An absolute folder for its log and config files."""


class LocalServing(PluginResource[LocalServingArgs]):
    """The server. It runs on after `pulumi up`; a destroy stops it, and an update starts it again if it ended."""

    pulumi_type = "shapebench:local:LocalServing"

    server: pulumi.Output[str]
    """The name of the server that runs: stacks.server.servers."""
    rest_url: pulumi.Output[str]
    grpc_address: pulumi.Output[str]
    server_version: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    """Changes exactly when runs are no longer comparable with earlier ones."""
    pid: pulumi.Output[int]
    started_as: pulumi.Output[str]
    """Start time and boot ID, which tell the process from a later one with the same pid."""
    log: pulumi.Output[str]
