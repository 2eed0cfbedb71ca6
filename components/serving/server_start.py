"""ServerStart: the wait for the server's pods, which fails with the reason why one does not start."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass(kw_only=True)
class ServerStartArgs:
    """The cluster, and the pods that must be ready."""

    kubeconfig: pulumi.Input[str] | None
    """Secret. None for the user's own kubeconfig, which is not stored."""
    context: str | None
    namespace: str
    selector: Mapping[str, str]
    """The labels of the pods."""
    replicas: int
    autoscaled: bool | None
    """Whether there may be more; None for no, as in the state of earlier versions."""
    deployment: pulumi.Input[str]
    """The UID of the Deployment: the pods of another one are waited for anew."""
    limit_s: float
    """Seconds until all must be ready, including image pulls."""


class ServerStart(PluginResource[ServerStartArgs]):
    """Created once every pod was ready."""

    pulumi_type = "shapebench:kubernetes:ServerStart"
