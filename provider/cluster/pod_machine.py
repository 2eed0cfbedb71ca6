"""The machine of each server's pod, read in its container before a test."""

from collections.abc import Callable, Sequence

from analysis.results.manifest import Replica
from loadtest.generator.monitoring.machine import machine_facts
from provider.cluster.api import Cluster, ClusterError
from provider.cluster.job_pod import LATE_RETRY_S
from provider.cluster.server_pods import ServerPod
from stacks.names import NAME

# The shell alone, as in provider.sampling.pod_usage; of the CPUs, the first.
_PRINT = (
    'read -r kernel < /proc/sys/kernel/osrelease && echo "$kernel";'
    ' while read -r line && [ -n "$line" ]; do echo "$line"; done < /proc/cpuinfo'
)
COMMAND = ("sh", "-c", _PRINT)


def replicas_of(cluster: Cluster, servers: Sequence[ServerPod], warn: Callable[[str], None]) -> tuple[Replica, ...]:
    """Where each server runs. After the first whose CPU cannot be read no other is tried, and `warn` gets a message."""
    printed: dict[str, str] = {}
    try:
        for server in servers:
            printed[server.name] = cluster.execute(server.name, NAME, COMMAND, LATE_RETRY_S)
    except ClusterError as error:
        unread = ", ".join(server.name for server in servers if server.name not in printed)
        warn(
            f"the CPU of {unread} is unknown ({error}), so the run is not compared with runs on a known CPU; to read"
            " it, `kubectl exec` must work, and the server's image must have `sh`"
        )
    return tuple(_replica(server, printed.get(server.name, "")) for server in servers)


def _replica(server: ServerPod, printed: str) -> Replica:
    kernel, _, cpuinfo = printed.partition("\n")
    return Replica(name=server.name, node=server.node, **machine_facts(cpuinfo, kernel))
