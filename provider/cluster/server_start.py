"""Waits until the server's pods are ready, or explains why one does not start."""

import time
from collections.abc import Iterator, Mapping

from provider.cluster.api import Cluster, Json
from provider.cluster.pod_status import Blockage, ContainerEnd, ends, pending_reason
from provider.cluster.server_pods import ServerPod, selector_of, server_pods
from provider.resource import Operation, ResourceError

_POLL_S = 1.0
# One restart mends a server that did not find its model; one that ends again has another reason.
_ENDS_ALLOWED = 1
_MESSAGE_LINES = 10

_Key = tuple[str, str]


def wait_for_servers(
    cluster: Cluster, selector: Mapping[str, str], replicas: int, limit_s: float, operation: Operation
) -> list[ServerPod]:
    """The servers once all are ready, and no others exist; raises ResourceError where that is not to be."""
    began = time.monotonic()
    blockage = Blockage()
    before: dict[_Key, int] | None = None
    while True:
        pods = [pod for pod in cluster.pods(selector_of(selector)) if not pod["metadata"].get("deletionTimestamp")]
        servers = server_pods(pods)
        ready = sum(server.ready for server in servers)
        if ready == len(servers) == replicas:
            return servers
        before = {key: end.count for key, end in _all_ends(pods)} if before is None else before
        _require_starts(pods, before)
        now = time.monotonic()
        blocked = blockage.is_final(pods, now)
        state = f"{replicas} declared, {len(servers)} created, {ready} ready"
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


def _all_ends(pods: list[Json]) -> Iterator[tuple[_Key, ContainerEnd]]:
    for pod in pods:
        for end in ends(pod):
            yield (pod["metadata"]["uid"], end.container), end


def _require_starts(pods: list[Json], before: Mapping[_Key, int]) -> None:
    """Raises ResourceError where an init container failed since the wait began, or a server ended more than once."""
    names = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in pods}
    for key, end in _all_ends(pods):
        allowed = 0 if end.of_init else _ENDS_ALLOWED
        if end.failed and end.count - before.get(key, 0) > allowed:
            message = "\n".join(end.message.splitlines()[-_MESSAGE_LINES:]) or "(it is empty)"
            raise ResourceError(
                f"pod {names[key[0]]} does not start, so nothing was measured; its container {end.container}"
                f" {end.reason}. Correct the cause, and run `pulumi up` again. The end of its log:\n{message}"
            )
