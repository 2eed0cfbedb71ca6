"""Decides which resources of stacks are leftovers, from an inventory and the time alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from google_cloud.inventory import CloudResource, Inventory, accounts_of
from google_cloud.kinds import ACCOUNT, DISK, KINDS
from stacks.names import expiry

# A stack's network and bucket exist before its cluster, which takes GKE ten minutes to create.
YOUNG = timedelta(hours=2)
# States of a cluster that an operation is changing.
_BUSY = {"PROVISIONING", "STOPPING", "RECONCILING"}


class Why(StrEnum):
    expired = "expired"
    orphaned = "orphaned"
    """Its lease has not ended, but its stack's cluster is gone, and it is older than `YOUNG`."""
    interrupted = "interrupted"
    """A killed update was creating it, so it is not in its stack's state."""


@dataclass(frozen=True)
class Leftover:
    """A resource that no living stack owns."""

    resource: CloudResource
    why: Why


def leftovers(
    inventory: Inventory, now: datetime, interrupted: Mapping[str, str | None] = MappingProxyType({})
) -> list[Leftover]:
    """All leftovers, in the order in which they can be deleted.

    `interrupted` are the names of what killed updates were creating, with their descriptions:
    google_cloud.interrupted_update. `now` is Google's time: the machine that asks may have the wrong one.

    A service account's name follows from its stack's, so a colleague's stack of the same name has the same account. It
    is no leftover while the nodes of a cluster that stays use it, whatever labels they have; as an interrupted one it
    must also have the description that the killed update gave it, and its stack no living cluster.

    A stack has no leftovers while it has a living cluster, one whose lease has not ended or that an operation is
    changing. So a network, whose expiry stays the first one when the lease is renewed, goes after its cluster.
    """
    living = {cluster.stack for cluster in inventory.clusters if _is_living(cluster, now)}
    others_live = {
        cluster.stack for cluster in inventory.clusters if _is_living(cluster, now) and cluster.name not in interrupted
    }
    used_networks = {str(cluster.document.get("network")) for cluster in inventory.clusters}
    judged = (
        (
            resource,
            Why.interrupted if _is_interrupted(resource, interrupted, others_live) else _why(resource, living, now),
        )
        for resource in inventory.resources
        # What GKE created for a cluster is deleted with the cluster.
        if not (resource.network and resource.network.name in used_networks)
    )
    found = [Leftover(resource, why) for resource, why in judged if why is not None]
    removed = {leftover.resource for leftover in found}
    used = {
        account for cluster in inventory.clusters if cluster not in removed for account in accounts_of(cluster.document)
    }
    found = [leftover for leftover in found if leftover.resource.kind != ACCOUNT or leftover.resource.name not in used]
    return sorted(
        found,
        key=lambda leftover: (KINDS.index(leftover.resource.kind), leftover.resource.location, leftover.resource.name),
    )


def _is_living(cluster: CloudResource, now: datetime) -> bool:
    """Whether it is a stack's whose lease has not ended, or an operation is changing it."""
    return bool(cluster.labels) and (cluster.document.get("status") in _BUSY or not _has_expired(cluster, now))


def _is_interrupted(
    resource: CloudResource, interrupted: Mapping[str, str | None], others_live: Collection[str]
) -> bool:
    if resource.kind != ACCOUNT:
        return resource.name in interrupted
    # Its name in the state is the part of its address before the `@`.
    name, description = resource.name.partition("@")[0], resource.document.get("description")
    return name in interrupted and description == interrupted[name] and resource.stack not in others_live


def _why(resource: CloudResource, living: set[str], now: datetime) -> Why | None:
    if resource.stack in living or (resource.kind == DISK and resource.document.get("users")):
        return None
    if _has_expired(resource, now):
        return Why.expired
    old = resource.created_at is not None and resource.created_at + YOUNG <= now
    return Why.orphaned if old else None


def _has_expired(resource: CloudResource, now: datetime) -> bool:
    until = expiry(resource.labels)
    return until is not None and datetime.fromisoformat(until) <= now
