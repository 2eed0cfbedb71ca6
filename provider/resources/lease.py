"""How long a stack may live, as a resource: fixed when it is made, so that an hour later nothing has changed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from provider.record.provenance import git_commit
from provider.resource import Operation, Props, Resource

_HOUR = timedelta(hours=1)


def _now() -> datetime:
    return datetime.now(UTC)


class Lease(Resource):
    """Inputs: hours. Outputs: startsAt and expiresAt (RFC 3339, full hours, UTC), and the commit it was made from.

    A new number of hours renews it, and so does any update after it has expired.
    """

    token: ClassVar[str] = "shapebench:gke:Lease"  # noqa: S105 - Pulumi's word for a type's name
    triggers: ClassVar[frozenset[str]] = frozenset({"hours"})

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now

    def changed(self, state: Props, inputs: Props) -> list[str]:
        changed = super().changed(state, inputs)
        return [*changed, "expiresAt"] if datetime.fromisoformat(state["expiresAt"]) <= self._now() else changed

    def preview(self, inputs: Props) -> Props:
        """The lease as it would be now, so that a preview shows every label; it may be an hour off by the update."""
        return self._made(inputs)

    def create(self, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - there is nothing to do
        return self._made(inputs)

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - there is nothing to do
        return self._made(inputs)

    def _made(self, inputs: Props) -> Props:
        starts_at = self._now().replace(minute=0, second=0, microsecond=0)
        # Rounded up: what was promised is kept.
        expires_at = starts_at + timedelta(hours=inputs["hours"]) + _HOUR
        return inputs | {
            "startsAt": _rfc3339(starts_at),
            "expiresAt": _rfc3339(expires_at),
            "commit": git_commit() or "unknown",
        }


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
