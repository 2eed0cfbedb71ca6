"""The pods of the servers under test, and their state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.result.servers import ServerState
from provider.cluster.api import Json
from stacks.names import REST_PORT


@dataclass(frozen=True)
class ServerPod(ServerState):
    """A server's pod at one moment. `image` is by digest where the container runtime reports it.

    `address` is the pod's own in the cluster's network: it identifies the replica.
    """

    node: str | None = None
    address: str | None = None

    @property
    def rest_url(self) -> str | None:
        """The URL of its REST API; None without an address."""
        if self.address is None:
            return None
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{REST_PORT}"


def server_pods(pods: Sequence[Json]) -> list[ServerPod]:
    """From the API's answer, without pods that are being deleted: they do not serve."""
    return [_server_pod(pod) for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def selector_of(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _server_pod(pod: Json) -> ServerPod:
    status = pod.get("status", {})
    containers = status.get("containerStatuses") or []
    return ServerPod(
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        ready=bool(containers) and all(container["ready"] for container in containers),
        restarts=sum(container["restartCount"] for container in containers),
        node=pod["spec"].get("nodeName"),
        image=containers[0]["imageID"] or containers[0]["image"] if containers else None,
        address=status.get("podIP"),
    )


def image_of(pods: Sequence[ServerPod]) -> str | None:
    """The image of the servers, all of them where they differ; None where one is unknown."""
    images = [pod.image for pod in pods if pod.image]
    return ", ".join(sorted(set(images))) if images and len(images) == len(pods) else None
