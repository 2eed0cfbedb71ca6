"""Which things of ours are left over: decided from what Google lists and the time, and from nothing else."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from google_cloud.inventory import Found, Inventory
from google_cloud.kinds import ADDRESS, DISK, GRANT, KINDS
from stacks.labels import expiry

# A stack's network and bucket are there before its cluster, which GKE takes ten minutes to make.
YOUNG = timedelta(hours=2)
# Somebody is at work on these.
_BUSY = {"PROVISIONING", "STOPPING", "RECONCILING"}


class Why(StrEnum):
    """Why something is left over."""

    expired = "expired"
    orphaned = "orphaned"
    """Its lease goes on, but its stack's cluster is gone, and it is older than `YOUNG`."""
    interrupted = "interrupted"
    """A killed update was making it, so its stack's state does not know it."""
    grant = "grant to an account that is gone"
    """Nothing proves that the account was ours: it is shown, and never removed."""
    volume = "volume of a cluster that is gone"
    """It carries GKE's label and none of ours: it is shown, and never removed."""


@dataclass(frozen=True)
class Leftover:
    """Something that nobody uses any more."""

    found: Found
    why: Why

    @property
    def removable(self) -> bool:
        """Whether it may be removed: only what carries labels of ours."""
        return bool(self.found.labels)


def leftovers(inventory: Inventory, now: datetime, interrupted: Collection[str] = ()) -> list[Leftover]:
    """Everything that is left over, in the order in which it can be removed.

    `interrupted` are names of what killed updates were making: google_cloud.interrupted_update.

    Nothing of a stack is, while a cluster of that stack lives: its lease goes on, or somebody is at work on it. So a
    network, which keeps its first expiry when the lease is renewed, goes when its cluster has gone.
    """
    living = {cluster.stack for cluster in inventory.clusters if cluster.labels and _lives(cluster, now)}
    there = {cluster.name for cluster in inventory.clusters}
    used = {str(cluster.document.get("network")) for cluster in inventory.clusters}
    judged = (
        (found, Why.interrupted if _was_being_made(found, interrupted) else _why(found, living, there, now))
        for found in inventory.things
        # What GKE made for a cluster goes with it.
        if not (found.network and found.network.name in used)
    )
    found = [Leftover(found, why) for found, why in judged if why is not None]
    return sorted(found, key=lambda each: (KINDS.index(each.found.kind), each.found.location, each.found.name))


def _was_being_made(found: Found, interrupted: Collection[str]) -> bool:
    """An account's name is the first part of its address."""
    return bool(found.labels) and found.name.partition("@")[0] in interrupted


def _why(found: Found, living: set[str], there: set[str], now: datetime) -> Why | None:
    if _in_use(found):
        return None
    if found.kind == GRANT:
        return Why.grant
    if not found.labels:
        return Why.volume if found.cluster_of_volume not in there else None
    if found.stack in living:
        return None
    if _has_expired(found, now):
        return Why.expired
    old = found.made_at is not None and found.made_at + YOUNG <= now
    return Why.orphaned if old else None


def _lives(cluster: Found, now: datetime) -> bool:
    return cluster.document.get("status") in _BUSY or not _has_expired(cluster, now)


def _has_expired(found: Found, now: datetime) -> bool:
    until = expiry(found.labels)
    return until is not None and datetime.fromisoformat(until) <= now


def _in_use(found: Found) -> bool:
    """By a machine, or by something that passes traffic on."""
    if found.kind == DISK:
        return bool(found.document.get("users"))
    return found.kind == ADDRESS and found.document.get("status") != "RESERVED"
