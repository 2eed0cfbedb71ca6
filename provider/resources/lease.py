"""A stack's lease: when it starts and ends is fixed when it is created, so that a later update changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from provider.record.provenance import git_commit
from provider.resource import Operation, Props, Resource, ResourceInputs, ResourceState

_RFC3339 = "%Y-%m-%dT%H:%M:%SZ"


class LeaseInputs(ResourceInputs):
    """components.gke.lease.LeaseArgs, as the engine sends it."""

    hours: int


class LeaseState(ResourceState):
    """The end of the lease, in RFC 3339."""

    expires_at: str


class Lease(Resource[LeaseInputs, LeaseState]):
    """Outputs: startsAt and expiresAt (RFC 3339, full hours, UTC), and the commit that created it.

    A new number of hours renews it, and so does any update after it has expired.
    """

    token: ClassVar[str] = "shapebench:gke:Lease"  # noqa: S105 - Pulumi's name for a type
    inputs = LeaseInputs
    state = LeaseState
    triggers: ClassVar[frozenset[str]] = frozenset({"hours"})

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def stale_outputs(self, state: LeaseState) -> list[str]:
        return ["expiresAt"] if datetime.fromisoformat(state.expires_at) <= self._now() else []

    def known_outputs(self, inputs: LeaseInputs) -> Props:
        """The lease if it were created now, so that a preview shows every label; the update may be an hour later."""
        starts_at = self._now().replace(minute=0, second=0, microsecond=0)
        # An hour more, because the start was rounded down: no lease is shorter than its hours.
        expires_at = starts_at + timedelta(hours=inputs.hours + 1)
        return {
            "startsAt": starts_at.strftime(_RFC3339),
            "expiresAt": expires_at.strftime(_RFC3339),
            "commit": git_commit() or "unknown",
        }

    def run_create(self, inputs: LeaseInputs, operation: Operation) -> Props:  # noqa: ARG002 - nothing is created
        return self.known_outputs(inputs)
