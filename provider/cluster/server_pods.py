"""The servers under test as the cluster sees them: were they there before and after, and on which nodes and images."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.result.validity.servers import ServerState
from provider.cluster.api import Json
from serving.command import PROMETHEUS_PATH
from stacks.serving_names import REST_PORT


@dataclass(frozen=True)
class ServerPod(ServerState):
    """A pod that serves, at one moment. `image` is what runs, by digest where the container runtime says it.

    `address` is its own in the cluster's network, by which each replica is told from the others.
    """

    node: str | None = None
    address: str | None = None

    @property
    def page(self) -> str | None:
        """Where this one says what it counts."""
        if self.address is None:
            return None
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{REST_PORT}{PROMETHEUS_PATH}"


def server_pods(pods: Sequence[Json]) -> list[ServerPod]:
    """From the API's answer; pods that are being deleted do not serve."""
    return [_server_pod(pod) for pod in pods if not pod["metadata"].get("deletionTimestamp")]


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
    """The image that serves; None where no pod says, or they differ."""
    images = {pod.image for pod in pods}
    return images.pop() if len(images) == 1 else None
