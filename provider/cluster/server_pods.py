"""The pods of the servers under test: their state, and whether they are the same after the test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provider.cluster.api import Json
from stacks.names import REST_PORT


@dataclass(frozen=True)
class ServerPod:
    """A server's pod at one moment. `image` is by digest where the container runtime reports it.

    `address` is the pod's own in the cluster's network: it identifies the replica.
    """

    name: str
    uid: str
    ready: bool
    restarts: int
    node: str | None
    image: str | None
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
    """The label selector, as the API takes it."""
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


def reasons_against_servers(before: Sequence[ServerPod], after: Sequence[ServerPod]) -> tuple[str, ...]:
    """Every reason why the servers after the test are not those before it; none when they are."""
    reasons = []
    later = {pod.uid: pod for pod in after}
    for pod in before:
        if pod.uid not in later:
            reasons.append(f"server {pod.name} was replaced during the test")
        elif (restarts := later[pod.uid].restarts - pod.restarts) > 0:
            reasons.append(f"server {pod.name} restarted during the test ({restarts} times)")
        elif not later[pod.uid].ready:
            reasons.append(f"server {pod.name} was not ready any more at the end of the test")
    if len(images := {pod.image for pod in before if pod.image}) > 1:
        reasons.append(f"the servers run different images: {', '.join(sorted(images))}")
    return tuple(reasons)


def image_of(pods: Sequence[ServerPod]) -> str | None:
    """The image of the servers; None where it is unknown or differs."""
    images = {pod.image for pod in pods}
    return images.pop() if len(images) == 1 else None
