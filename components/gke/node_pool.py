"""The node pools of the cluster. They differ in machine type, number of nodes and taint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi_gcp import container as gke
from pulumi_gcp.container.cluster import Cluster
from pulumi_gcp.container.node_pool import NodePool

from stacks.machines.gke import BOOT_DISK_GB
from stacks.machines.machine_series import BootDisk
from stacks.machines.shapes import NodeShape

POOL_LABEL = "shapebench/pool"
SERVING_POOL, LOAD_POOL = {POOL_LABEL: "serving"}, {POOL_LABEL: "load"}

# A node reserves twice as many pod addresses; the fullest node runs about 20 pods.
_MAX_PODS_A_NODE = 32


@dataclass
class PoolArgs:
    """One pool: its role and its machines."""

    role: Literal["serving", "load"]
    """The serving pool has a taint, so that only pods that tolerate it run there."""
    shape: NodeShape
    service_account: pulumi.Input[str]
    labels: pulumi.Input[Mapping[str, str]]


def make_pool(name: str, cluster: Cluster, args: PoolArgs, opts: pulumi.ResourceOptions) -> NodePool:
    """A pool with a fixed number of nodes: an autoscaler would change the shape during a run."""
    taint = gke.NodePoolNodeConfigTaintArgs(key=POOL_LABEL, value=args.role, effect="NO_SCHEDULE")
    return NodePool(
        name,
        cluster=cluster.name,
        location=cluster.location,
        node_count=args.shape.nodes,
        max_pods_per_node=_MAX_PODS_A_NODE,
        management=gke.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
        network_config=gke.NodePoolNetworkConfigArgs(enable_private_nodes=True),
        node_config=gke.NodePoolNodeConfigArgs(
            machine_type=args.shape.machine_type,
            image_type="COS_CONTAINERD",
            **_boot_disk(args.shape.disk),
            min_cpu_platform=args.shape.min_cpu_platform,
            service_account=args.service_account,
            # The account's roles say what nodes may do; a narrower scope would only make refusals harder to explain.
            oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
            labels={POOL_LABEL: args.role},
            resource_labels=args.labels,
            taints=[taint] if args.role == "serving" else None,
            metadata={"disable-legacy-endpoints": "true"},
            workload_metadata_config=gke.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            shielded_instance_config=gke.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            kubelet_config=gke.NodePoolNodeConfigKubeletConfigArgs(
                insecure_kubelet_readonly_port_enabled="FALSE",
                # Left out, some versions of the provider send false, and then CPU limits are not enforced.
                cpu_cfs_quota=True,
            ),
        ),
        opts=opts,
    )


def _boot_disk(disk: BootDisk) -> Mapping[str, Any]:
    """Hyperdisk is declared with its performance, in a block that replaces the other two inputs."""
    if disk.iops is None:
        return {"disk_size_gb": BOOT_DISK_GB, "disk_type": disk.name}
    block = gke.NodePoolNodeConfigBootDiskArgs(
        disk_type=disk.name,
        size_gb=BOOT_DISK_GB,
        provisioned_iops=disk.iops,
        provisioned_throughput=disk.throughput_mib_s,
    )
    return {"boot_disk": block}
