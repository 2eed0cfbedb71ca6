"""What a load test needs of a cluster: seven calls, in the API's own JSON, and the error when they fail."""

from collections.abc import Sequence
from typing import Any, Protocol

from provider.resource import ResourceError

Json = dict[str, Any]

# How long a cluster may stay away, in seconds: it is upgraded, or a laptop changes its network.
PATIENCE_S = 600.0


class ClusterError(ResourceError):
    """The cluster refused, or could not be reached for longer than is waited for."""


class GoneError(ClusterError):
    """What was asked about does not exist (any more)."""


class Cluster(Protocol):
    """One namespace of a cluster. Every call survives a lost connection, and raises ClusterError at last."""

    def create_job(self, job: Json) -> None:
        """Create it; one that exists under its name already is that one, sent by a connection that was then lost."""

    def delete_job(self, name: str) -> None:
        """Have it and its pods deleted, if it exists; returns before they are gone."""

    def jobs(self, selector: str) -> list[Json]:
        """The Jobs with these labels."""

    def pods(self, selector: str) -> list[Json]:
        """The pods with these labels."""

    def events(self, name: str) -> list[str]:
        """What the cluster says happened to the object of this name, oldest first."""

    def log(self, pod: str, container: str, lines: int) -> str:
        """The last lines of a container's log."""

    def execute(self, pod: str, container: str, command: Sequence[str], patience_s: float = PATIENCE_S) -> str:
        """What a command writes that is run in a container; the command may be run more than once.

        The API does not tell a container that has ended from a node that cannot be reached just now, so a command that
        may come too late is given less patience. Raises ClusterError where it fails.
        """
