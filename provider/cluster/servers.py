"""The servers under test: their pods and machines, and the wait until all are ready or replaced."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.results.schema.manifest import Replica
from loadtest.generator.monitoring.machine import machine_facts
from loadtest.result.servers import ServerState
from provider.cluster.api import LATE_RETRY_S, Cluster, ClusterError, Json, selector_of
from provider.cluster.pod_status import Blockage, container_statuses, killed_by, pending_reason, ready_after_s
from provider.resource import Operation, ResourceError
from stacks.names import NAME, REST_PORT

_POLL_S = 1.0
# One restart fixes a server that did not find its model; one that ends again has another reason.
_ENDS_ALLOWED = 1
_MESSAGE_LINES = 10
# How long deleted pods may take: their grace period, and then some for a kubelet that is busy.
_END_LIMIT_S = 120.0

# The shell alone, as in provider.cluster.pod_usage; of the CPUs, the first.
_PRINT = (
    'read -r kernel < /proc/sys/kernel/osrelease && echo "$kernel";'
    ' while read -r line && [ -n "$line" ]; do echo "$line"; done < /proc/cpuinfo'
)
MACHINE_COMMAND = ("sh", "-c", _PRINT)


@dataclass(frozen=True)
class ServerPod(ServerState):
    """A server's pod at one moment. `image` is by digest where the container runtime reports it.

    `address` is the pod's own in the cluster's network: it identifies the replica. `ready_after_s` is the manifest's.
    """

    node: str | None = None
    address: str | None = None
    ready_after_s: float | None = None

    @property
    def rest_url(self) -> str | None:
        """The URL of its REST API; None without an address."""
        if self.address is None:
            return None
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{REST_PORT}"


def server_pods(pods: Sequence[Json]) -> list[ServerPod]:
    """From the API's answer, without pods that are being deleted."""
    return list(map(_server_pod, _staying(pods)))


def _staying(pods: Sequence[Json]) -> list[Json]:
    """Without those that are being deleted: they do not serve."""
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]


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
        ready_after_s=ready_after_s(pod),
    )


def image_of(servers: Sequence[ServerPod]) -> str | None:
    """The image of the servers, all of them where they differ; None where one is unknown."""
    images = [server.image for server in servers if server.image]
    return ", ".join(sorted(set(images))) if images and len(images) == len(servers) else None


def wait_for_servers(
    cluster: Cluster,
    selector: Mapping[str, str],
    replicas: int,
    limit_s: float,
    operation: Operation,
    *,
    autoscaled: bool = False,
) -> list[ServerPod]:
    """The servers once all are ready, and no others exist; raises ResourceError where that is not to be.

    Where an autoscaler decides how many there are, `replicas` is the fewest.
    """
    began = time.monotonic()
    blockage = Blockage()
    before: dict[tuple[str, str], int] | None = None
    while True:
        pods = _staying(cluster.pods(selector_of(selector)))
        servers = list(map(_server_pod, pods))
        ready = sum(server.ready for server in servers)
        if ready == len(servers) and (ready == replicas or (autoscaled and ready > replicas)):
            return servers
        ends = list(_ends(pods))
        before = {end.key: end.count for end in ends} if before is None else before
        _require_starts(ends, before)
        now = time.monotonic()
        blocked = blockage.is_final(pods, now)
        state = f"{replicas}{' or more' if autoscaled else ''} declared, {len(servers)} created, {ready} ready"
        reasons = "; ".join(dict.fromkeys(filter(None, map(pending_reason, pods)))) or "the cluster gives no reason"
        if blocked or now - began > limit_s:
            raise ResourceError(
                f"after {now - began:.0f} s the servers are not ready as declared ({state}), so nothing was measured:"
                f" {reasons.rstrip('.')}. Correct the cause (`kubectl get events --all-namespaces` shows more), and run"
                " `pulumi up` again"
            )
        operation.status(f"waiting for the servers ({state}): {reasons}")
        if operation.cancelled.wait(_POLL_S):
            raise ResourceError(f"the wait for the servers was cancelled ({state}), so nothing was measured")


@dataclass(frozen=True)
class _End:
    """The last end of a container, which may have been started again; `count` is how often it has ended."""

    pod: Json
    container: str
    of_init: bool
    count: int
    terminated: Json

    @property
    def key(self) -> tuple[str, str]:
        return self.pod["metadata"]["uid"], self.container


def _ends(pods: Sequence[Json]) -> Iterator[_End]:
    for pod in pods:
        of_init = pod.get("status", {}).get("initContainerStatuses") or []
        for status in container_statuses(pod):
            state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
            if (terminated := state.get("terminated") or last) is not None:
                # The count of restarts follows the end of a run once the next one has begun.
                count = status.get("restartCount", 0) + ("running" not in state)
                yield _End(pod, status["name"], status in of_init, count, terminated)


def _require_starts(ends: Sequence[_End], before: Mapping[tuple[str, str], int]) -> None:
    """Raises ResourceError where an init container failed since the wait began, or a server ended more than once."""
    for end in ends:
        code, killed = end.terminated["exitCode"], killed_by(end.terminated)
        if code != 0 and end.count - before.get(end.key, 0) > (0 if end.of_init else _ENDS_ALLOWED):
            # The end of its log, as its terminationMessagePolicy asks for.
            message = (end.terminated.get("message") or "").strip().splitlines()[-_MESSAGE_LINES:]
            raise ResourceError(
                f"pod {end.pod['metadata']['name']} does not start, so nothing was measured; its container"
                f" {end.container} ended with exit code {f'{code} ({killed})' if killed else code}. Correct the cause,"
                " and run `pulumi up` again. The end of its log:\n" + ("\n".join(message) or "(it is empty)")
            )


def replace_servers(
    cluster: Cluster,
    selector: Mapping[str, str],
    servers: Sequence[ServerPod],
    limit_s: float,
    operation: Operation,
    *,
    autoscaled: bool = False,
) -> list[ServerPod]:
    """Delete the servers' pods; returns the pods that their Deployment creates instead, once all are ready.

    Raises ResourceError where the old ones do not end, or the new ones are not ready within `limit_s`.
    """
    for server in servers:
        cluster.delete_pod(server.name, server.uid)
    _wait_for_end(cluster, selector, servers, operation)
    fewest = 1 if autoscaled else len(servers)
    return wait_for_servers(cluster, selector, fewest, limit_s, operation, autoscaled=autoscaled)


def _wait_for_end(
    cluster: Cluster, selector: Mapping[str, str], servers: Sequence[ServerPod], operation: Operation
) -> None:
    """Until the pods are gone: one that still terminates may take CPU from its successor, where they share a node."""
    began, deleted = time.monotonic(), {server.uid for server in servers}
    while left := [pod for pod in cluster.pods(selector_of(selector)) if pod["metadata"]["uid"] in deleted]:
        names = ", ".join(pod["metadata"]["name"] for pod in left)
        elapsed_s = time.monotonic() - began
        if elapsed_s > _END_LIMIT_S:
            raise ResourceError(
                f"not all server pods that were deleted for a restart are gone after {elapsed_s:.0f} s (left: {names}),"
                f" so nothing was measured; `kubectl describe pods -l {selector_of(selector)} --all-namespaces` shows"
                " why (often a node is not ready); correct the cause, and run `pulumi up` again"
            )
        operation.status(f"waiting for the end of the servers that are restarted: {names}")
        if operation.cancelled.wait(_POLL_S):
            raise ResourceError("the update was cancelled while the servers were restarted, so nothing was measured")


def replicas_of(cluster: Cluster, servers: Sequence[ServerPod], warn: Callable[[str], None]) -> tuple[Replica, ...]:
    """Where each server runs. After the first whose CPU cannot be read no other is tried, and `warn` gets a message."""
    printed: dict[str, str] = {}
    try:
        for server in servers:
            printed[server.name] = cluster.execute(server.name, NAME, MACHINE_COMMAND, LATE_RETRY_S)
    except ClusterError as error:
        unread = ", ".join(server.name for server in servers if server.name not in printed)
        warn(
            f"the CPU of {unread} is unknown ({error}), so the run is not compared with runs on a known CPU; to read"
            " it, `kubectl exec` must work, and the server's image must have `sh`"
        )
    machines = {node: cluster.machine_of(node) for node in {server.node for server in servers} if node}
    return tuple(_replica(server, printed.get(server.name, ""), machines.get(server.node or "")) for server in servers)


def _replica(server: ServerPod, printed: str, machine: str | None) -> Replica:
    kernel, _, cpuinfo = printed.partition("\n")
    return Replica(
        name=server.name,
        node=server.node,
        machine=machine,
        ready_after_s=server.ready_after_s,
        **machine_facts(cpuinfo, kernel),
    )
