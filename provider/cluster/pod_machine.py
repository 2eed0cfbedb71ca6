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
    """Where each server runs; `warn` gets a message for each whose CPU cannot be read."""
    return tuple(_replica(cluster, server, warn) for server in servers)


def _replica(cluster: Cluster, server: ServerPod, warn: Callable[[str], None]) -> Replica:
    kernel = cpuinfo = ""
    try:
        kernel, _, cpuinfo = cluster.execute(server.name, NAME, COMMAND, LATE_RETRY_S).partition("\n")
    except ClusterError as error:
        warn(
            f"the CPU of server {server.name} is unknown ({error}), so the run is not compared with runs on a known CPU"
        )
    return Replica(name=server.name, node=server.node, **machine_facts(cpuinfo, kernel))
