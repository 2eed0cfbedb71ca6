"""Lease: when the resources of a stack expire, and the commit that created them; fixed until it is renewed."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class LeaseArgs:
    """The length of the lease."""

    hours: pulumi.Input[int]
    """A new number renews the lease."""


class Lease(PluginResource[LeaseArgs]):
    """The lease. Labels carry its end, and GKE upgrades nothing until then."""

    pulumi_type = "shapebench:gke:Lease"

    starts_at: pulumi.Output[str]
    """RFC 3339, UTC, a full hour."""
    expires_at: pulumi.Output[str]
    """RFC 3339, UTC, a full hour."""
    commit: pulumi.Output[str]
