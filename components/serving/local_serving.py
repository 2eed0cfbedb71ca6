"""LocalServing: a TF-Serving-compatible server as a process on this machine's loopback."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource
from stacks.serving_variant import ServingVariant


@dataclass
class LocalServingArgs:
    """What is served, in which variant, and how it runs here. Ports, threads and seconds are plain numbers."""

    model_name: pulumi.Input[str]
    model_path: pulumi.Input[str]
    model_digest: pulumi.Input[str]
    variant: ServingVariant
    server: pulumi.Input[str]
    """`auto`, `embedded` or `tensorflow_model_server`; the plugin settles what `auto` comes to."""
    rest_port: pulumi.Input[int]
    grpc_port: pulumi.Input[int]
    start_timeout_s: pulumi.Input[float]
    state_dir: pulumi.Input[str]
    """An absolute folder for its log and the files its flags name."""


class LocalServing(PluginResource):
    """The server. It survives the end of `pulumi up`; a destroy ends it, and the next update notices when it died."""

    server: pulumi.Output[str]
    """What `auto` came to: `shapebench-embedded` or `tensorflow_model_server`."""
    rest_url: pulumi.Output[str]
    grpc_address: pulumi.Output[str]
    server_version: pulumi.Output[str]
    fingerprint: pulumi.Output[str]
    """Changes exactly when a measurement of it would be one of something else."""
    pid: pulumi.Output[int]
    started_as: pulumi.Output[str]
    """With the pid, tells this process from a later one under the same number."""
    log: pulumi.Output[str]

    def __init__(self, name: str, args: LocalServingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:local:LocalServing", name, args, opts)
