"""The servers under test as the cluster sees them: were they there before and after, and on which nodes and images."""

from collections.abc import Sequence
from dataclasses import dataclass

from provider.cluster.api import Json
from stacks.serving_names import REST_PORT


@dataclass(frozen=True)
class ServerPod:
    """A pod that serves, at one moment. `image` is what runs, by digest where the container runtime says it.

    `address` is its own in the cluster's network, by which each replica is told from the others.
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
        """Where this one answers over REST."""
        if self.address is None:
            return None
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{REST_PORT}"


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


def reasons_against_servers(before: Sequence[ServerPod], after: Sequence[ServerPod]) -> tuple[str, ...]:
    """Every reason why those that were measured are not those that began; none when they are."""
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
    """The image that serves; None where no pod says, or they differ."""
    images = {pod.image for pod in pods}
    return images.pop() if len(images) == 1 else None
