"""Replaces the pods of the servers, so that a run has a deployment of its own."""

import time
from collections.abc import Mapping, Sequence

from provider.cluster.api import Cluster
from provider.cluster.server_pods import ServerPod, selector_of
from provider.cluster.server_start import wait_for_servers
from provider.resource import Operation, ResourceError

_POLL_S = 1.0
# Their grace period, and then some for a kubelet that is busy.
_END_LIMIT_S = 120.0


def replace_servers(
    cluster: Cluster,
    selector: Mapping[str, str],
    servers: Sequence[ServerPod],
    limit_s: float,
    operation: Operation,
) -> list[ServerPod]:
    """Delete the servers' pods; returns the pods that their Deployment creates instead, once all are ready.

    Raises ResourceError where the old ones do not end, or the new ones are not ready within `limit_s`.
    """
    for server in servers:
        cluster.delete_pod(server.name, server.uid)
    _wait_for_end(cluster, selector, servers, operation)
    return wait_for_servers(cluster, selector, len(servers), limit_s, operation)


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
