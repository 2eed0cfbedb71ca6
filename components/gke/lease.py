"""Lease: how long what a stack makes may live, and from which commit it was made; fixed until it is renewed."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class LeaseArgs:
    """What is asked for."""

    hours: pulumi.Input[int]
    """A new number renews the lease."""


class Lease(PluginResource):
    """Does nothing by itself: labels carry its end, and upgrades are kept away until then."""

    starts_at: pulumi.Output[str]
    """RFC 3339, UTC, a full hour."""
    expires_at: pulumi.Output[str]
    """RFC 3339, UTC, a full hour."""
    commit: pulumi.Output[str]

    def __init__(self, name: str, args: LeaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:Lease", name, args, opts)
