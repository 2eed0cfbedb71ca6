"""ServerCleanup: stops, in a destroy, the local server that a killed update left running."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class ServerCleanupArgs:
    """The folder of the server."""

    state_dir: pulumi.Input[str]
    """Absolute; the state_dir of LocalServingArgs."""


class ServerCleanup(PluginResource[ServerCleanupArgs]):
    """Created before the server and deleted after it, so that the state has it whenever a server may run."""

    pulumi_type = "shapebench:local:ServerCleanup"

    state_dir: pulumi.Output[str]
    """The same folder. Who starts a server there takes it from here, and so comes after this resource."""
