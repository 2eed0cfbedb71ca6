"""The connection to a cluster, and the calls that a load test needs, in the API's own JSON, with rights and errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from provider.load_test_inputs import NamespaceInputs
from provider.resource import Operation, ResourceError

if TYPE_CHECKING:
    from provider.cluster.kube_api import KubeApi

Json = dict[str, Any]

# How long calls are retried while the cluster is unreachable: it is upgraded, or a laptop changes its network.
RETRY_S = 600.0
# How long a command is retried that may come too late.
LATE_RETRY_S = 10.0

# What the kubeconfig's user must be allowed to do in the namespace: (verb, resource).
REQUIRED_RIGHTS = (
    ("create", "jobs"),
    ("delete", "jobs"),
    ("list", "jobs"),
    ("list", "pods"),
    ("list", "events"),
    ("get", "pods/log"),
    ("get", "pods/exec"),
    ("create", "pods/exec"),
    ("get", "pods/proxy"),
)

# And with `load.freshDeployment`.
RESTART_RIGHTS = (("delete", "pods"),)


@dataclass(frozen=True)
class PodRequest:
    """A GET request to a port of a pod."""

    port: int
    path: str
    headers: Mapping[str, str] = field(repr=False)


class ClusterError(ResourceError):
    """The cluster rejected a call, or was unreachable for longer than calls are retried."""


class NotFoundError(ClusterError):
    """The object of the call does not exist (any more)."""


class Session(Protocol):
    """A command that runs in a container and answers each line of its input."""

    def ask(self, end: str) -> str:
        """What it prints for another line, up to and with `end`; raises ClusterError where that does not come."""

    def close(self) -> None:
        """End the input, and so the command."""


class Cluster(Protocol):
    """One namespace of a cluster. Every call is retried while the connection is lost, and raises ClusterError then."""

    @property
    def cluster(self) -> str:
        """What tells this cluster from others, also while it cannot be reached."""
        ...

    def create_job(self, job: Json) -> None:
        """Create it. One that exists under its name is taken for it: an earlier attempt whose answer was lost."""

    def delete_job(self, name: str) -> None:
        """Delete it and its pods, if it exists; returns before they are gone."""

    def jobs(self, selector: str) -> list[Json]:
        """The Jobs with these labels."""

    def pods(self, selector: str) -> list[Json]:
        """The pods with these labels."""

    def machine_of(self, node: str) -> str | None:
        """The id of a node's machine, which a machine of the same name that replaces it does not have.

        None where the user may not read nodes, which is no right in a namespace.
        """

    def delete_pod(self, name: str, uid: str) -> None:
        """Delete the pod of this name, if it is still the one with this UID; returns before it is gone."""

    def events(self, name: str) -> list[str]:
        """The events of the object of this name, oldest first."""

    def log(self, pod: str, container: str, lines: int) -> str:
        """The last lines of a container's log."""

    def execute(self, pod: str, container: str, command: Sequence[str], retry_s: float = RETRY_S) -> str:
        """The standard output of a command that runs in a container; it may run more than once.

        The API does not distinguish a container that has ended from a node that is unreachable, so a command that may
        come too late is retried for less time. Raises ClusterError where it fails.
        """

    def session(self, pod: str, container: str, command: Sequence[str]) -> Session:
        """Start a command once for many questions. Neither this nor a question is retried."""

    def ask(
        self, pod: str, container: str, command: Sequence[str], request: PodRequest, retry_s: float = RETRY_S
    ) -> str:
        """What `execute` returns, or where that fails, what the pod answers to a request for the same.

        A command goes through the kubelet and needs a WebSocket all the way. A request goes through the API server's
        proxy, in plain HTTP; for it the API server must reach the pod. Once a request was answered, requests are tried
        first.
        """


def selector_of(labels: Mapping[str, str]) -> str:
    """Selects what has these labels, as the API and `kubectl` take it."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def connect(inputs: NamespaceInputs, operation: Operation, continues: str = "", retry_s: float = RETRY_S) -> "KubeApi":
    """The API of the cluster that the inputs name; `continues` is what goes on there while the connection is lost."""
    # Most updates need no client, and it is large.
    from provider.cluster.kube_api import KubeApi  # noqa: PLC0415
    from provider.cluster.kubeconfig import Access  # noqa: PLC0415

    def on_connection_lost(seconds: float) -> None:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        operation.status(f"no usable answer from the cluster since {since:%H:%M} UTC{continues}")

    access = Access(inputs.kubeconfig, inputs.context)
    return KubeApi(access, inputs.namespace, operation.cancelled, on_connection_lost, retry_s)
