"""What real GKE nodes offered to pods, and what GKE's own pods requested there, written down from public listings.

Nothing here is computed by this project. A listing is `kubectl describe node` or what somebody extracted from it.
"""

from typing import NamedTuple


class PublishedNode(NamedTuple):
    """One node: its size as sold, and its capacity and allocatable resources as it reported them."""

    machine_type: str | None
    """None where the listing does not show it."""
    vcpus: int
    memory_gb: float
    capacity_kib: int
    allocatable_millis: int
    allocatable_kib: int


def _gib(machine_type: str, vcpus: int, memory_gb: float, capacity: float, millis: int, left: float) -> PublishedNode:
    """From a source that gives GiB with three decimals."""
    return PublishedNode(machine_type, vcpus, memory_gb, int(capacity * 2**20), millis, int(left * 2**20))


# Nodes with whole cores, of all listings found in November 2026. None was found of a custom E2 type.
NODES = (
    # Camunda's chaos day of October 2026 with a Zeebe cluster; GKE 1.36.3-gke.1767000.
    PublishedNode("n2-standard-4", 4, 16, 16_380_004, 3920, 13_591_652),
    # 2i2c-org/infrastructure on GitHub, deployer/commands/generate/resource_allocation/instance_capacities.yaml at
    # 026837dd; GKE 1.27 to 1.29.
    _gib("e2-highmem-16", 16, 128, 125.807, 15890, 116.549),
    _gib("n2-highmem-2", 2, 16, 15.631, 1930, 12.972),
    _gib("n2-highmem-8", 8, 64, 62.809, 7910, 57.27),
    _gib("n2-highmem-32", 32, 256, 251.897, 31850, 240.079),
    _gib("n1-standard-2", 2, 7.5, 7.276, 1930, 5.483),
    _gib("n1-standard-8", 8, 30, 29.387, 7910, 25.888),
    _gib("n1-standard-16", 16, 60, 58.87, 15890, 53.571),
    _gib("n1-highmem-4", 4, 26, 25.451, 3920, 22.192),
    # 2i2c-org/infrastructure, issue 2121; GKE 1.25.
    PublishedNode("n2-highmem-4", 4, 32, 32_880_872, 3920, 29_085_928),
    PublishedNode("n2-highmem-16", 16, 128, 131_919_220, 15890, 122_210_676),
    PublishedNode("n2-highmem-64", 64, 512, 528_365_196, 63770, 510_603_916),
    # A test fixture of nais on GitHub: an Autopilot node of GKE 1.21.9.
    PublishedNode(None, 2, 8, 8_152_028, 1930, 6_186_972),
    # GKE 1.16.13.
    PublishedNode(None, 8, 32, 32_944_200, 7910, 29_149_256),
)

# An e2-medium of GKE 1.23.12 and a 2-vCPU machine of 4 GB. Their cores are shared, so 940 millicores are all that they
# offer; their memory is that of any node of 4 GB.
SHARED_CORE = (
    PublishedNode("e2-medium", 2, 4, 4_025_932, 940, 2_880_076),
    PublishedNode(None, 2, 4, 4_022_992, 940, 2_877_136),
)


class Requests(NamedTuple):
    """What a pod requests."""

    millis: int
    memory_mib: int


# The daemons of every node with Dataplane V2, Workload Identity and NodeLocal DNSCache: those of the node of GKE 1.36.3
# above, without Calico and kube-proxy, whose place Dataplane V2 takes.
DAEMONS = {
    # CPU: DaemonSets of a Dataplane V2 cluster, listed by priority in public Sysdig notes. Memory on GKE was not found;
    # this is what Google Distributed Cloud of 2023 documents.
    "anetd": Requests(205, 164),
    "fluentbit-gke": Requests(105, 230),
    "gke-metadata-server": Requests(100, 100),
    "gke-metrics-agent": Requests(21, 145),
    "ip-masq-agent": Requests(10, 16),
    "netd": Requests(8, 65),
    "node-local-dns": Requests(30, 50),
    "pdcsi-node": Requests(10, 20),
    # With Managed Prometheus only; a node of GKE 1.29.6 lists 5m and 36M.
    "gmp-system/collector": Requests(5, 35),
}
# It runs on one node or another. cryptnono/cryptnono issue 34 on GitHub, GKE 1.29: two kube-dns on one node of 2 vCPUs.
KUBE_DNS = Requests(260, 110)


def node_of(vcpus: int, memory_gb: float) -> PublishedNode:
    """What a node of this size offers: the CPU of a listing with as many vCPUs, the memory of one with as much.

    Raises StopIteration where no listing has them.
    """
    cpu = next(node for node in NODES if node.vcpus == vcpus)
    memory = next(node for node in (*NODES, *SHARED_CORE) if node.memory_gb == memory_gb)
    return memory._replace(machine_type=None, vcpus=vcpus, allocatable_millis=cpu.allocatable_millis)
