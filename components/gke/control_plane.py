"""The GKE cluster itself, without its nodes."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_gcp import container as gke
from pulumi_gcp.container.cluster import Cluster

from components.gke.network import PODS_RANGE, SERVICES_RANGE, Network
from stacks.machines.gke import BOOT_DISK_GB, RELEASE_CHANNEL, GkeSettings
from stacks.machines.machine_series import machine_series
from stacks.machines.shapes import NodeShape

_CHANGED_BY_GKE = [
    # These belong to the default pool, which exists only while the cluster is created.
    "initialNodeCount",
    "nodeConfig",
    "nodePools",
    # GKE upgrades versions, and may then add when it did so.
    "minMasterVersion",
    "nodeVersion",
    "maintenancePolicy.disruptionBudget",
    # Without addresses the API decides both, whatever is declared: hashicorp/terraform-provider-google issue 27901.
    "privateClusterConfig.enablePrivateEndpoint",
    "privateClusterConfig.masterGlobalAccessConfig",
    # If the API added it, the provider would replace the cluster.
    "dataplaneOptimizationMode",
]

_DEFAULT_POOL_MACHINE_TYPE = "e2-medium"


@dataclass
class GkeClusterArgs:
    """The network and labels, the nodes of both pools, and the settings of everything else."""

    zone: str
    network: Network
    labels: pulumi.Input[Mapping[str, str]]
    no_upgrades_from: pulumi.Input[str]
    no_upgrades_until: pulumi.Input[str]
    """RFC 3339, UTC."""
    shape: NodeShape
    load_shape: NodeShape
    settings: GkeSettings
    machine_token: str | None = None
    """The serving pool is replaced when it changes, so its nodes are other machines; None keeps them."""


def make_control_plane(
    name: str, args: GkeClusterArgs, node_account: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> Cluster:
    """The cluster; it is complete once its default pool is deleted."""
    vpc = args.network.vpc
    enforcement = "PROJECT_SINGLETON_POLICY_ENFORCE" if args.settings.binary_authorization else "DISABLED"
    return Cluster(
        name,
        location=args.zone,
        # A stack must be able to delete its cluster; shapebench:gke.protect uses the engine's own protection.
        deletion_protection=False,
        resource_labels=args.labels,
        network=vpc.id,
        subnetwork=args.network.subnetwork.id,
        networking_mode="VPC_NATIVE",
        ip_allocation_policy=gke.ClusterIpAllocationPolicyArgs(
            cluster_secondary_range_name=PODS_RANGE, services_secondary_range_name=SERVICES_RANGE
        ),
        datapath_provider="ADVANCED_DATAPATH",
        private_cluster_config=gke.ClusterPrivateClusterConfigArgs(enable_private_nodes=True),
        # One way in, protected by IAM: docs/adr/0020-gke-cluster-lifecycle.md.
        control_plane_endpoints_config=gke.ClusterControlPlaneEndpointsConfigArgs(
            dns_endpoint_config=gke.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
                allow_external_traffic=True
            ),
            ip_endpoints_config=gke.ClusterControlPlaneEndpointsConfigIpEndpointsConfigArgs(enabled=False),
        ),
        master_auth=gke.ClusterMasterAuthArgs(
            client_certificate_config=gke.ClusterMasterAuthClientCertificateConfigArgs(issue_client_certificate=False)
        ),
        enable_legacy_abac=False,
        enable_shielded_nodes=True,
        workload_identity_config=gke.ClusterWorkloadIdentityConfigArgs(
            workload_pool=pulumi.Output.concat(vpc.project, ".svc.id.goog")
        ),
        binary_authorization=gke.ClusterBinaryAuthorizationArgs(evaluation_mode=enforcement),
        # Left out when it is off: whether the API answers a false one is not documented.
        cost_management_config=gke.ClusterCostManagementConfigArgs(enabled=True)
        if args.settings.cost_allocation
        else None,
        logging_config=gke.ClusterLoggingConfigArgs(enable_components=["SYSTEM_COMPONENTS", "WORKLOADS"]),
        monitoring_config=gke.ClusterMonitoringConfigArgs(
            enable_components=["SYSTEM_COMPONENTS"],
            managed_prometheus=gke.ClusterMonitoringConfigManagedPrometheusArgs(
                enabled=args.settings.managed_prometheus
            ),
        ),
        # There is no load balancer, so its controller would only take CPU and memory of the nodes.
        addons_config=gke.ClusterAddonsConfigArgs(
            http_load_balancing=gke.ClusterAddonsConfigHttpLoadBalancingArgs(disabled=True)
        ),
        release_channel=gke.ClusterReleaseChannelArgs(channel=RELEASE_CHANNEL),
        maintenance_policy=_maintenance(args),
        remove_default_node_pool=True,
        initial_node_count=1,
        node_config=_default_pool(node_account),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=_CHANGED_BY_GKE)),
    )


def _maintenance(args: GkeClusterArgs) -> gke.ClusterMaintenancePolicyArgs:
    """No upgrades until the lease ends.

    Beside the exclusion GKE requires a maintenance window, with 48 hours in 32 days that nothing excludes.
    """
    return gke.ClusterMaintenancePolicyArgs(
        recurring_window=gke.ClusterMaintenancePolicyRecurringWindowArgs(
            start_time="2026-01-01T00:00:00Z", end_time="2026-01-01T12:00:00Z", recurrence="FREQ=DAILY"
        ),
        maintenance_exclusions=[
            gke.ClusterMaintenancePolicyMaintenanceExclusionArgs(
                exclusion_name="measuring",
                start_time=args.no_upgrades_from,
                end_time=args.no_upgrades_until,
                exclusion_options=gke.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs(
                    scope="NO_UPGRADES"
                ),
            )
        ],
    )


def _default_pool(node_account: pulumi.Input[str]) -> gke.ClusterNodeConfigArgs:
    """The pool that GKE creates with every cluster: hardened like the others until it is deleted."""
    return gke.ClusterNodeConfigArgs(
        machine_type=_DEFAULT_POOL_MACHINE_TYPE,
        disk_size_gb=BOOT_DISK_GB,
        disk_type=machine_series(_DEFAULT_POOL_MACHINE_TYPE).boot_disks[0],
        service_account=node_account,
        oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
        metadata={"disable-legacy-endpoints": "true"},
        shielded_instance_config=gke.ClusterNodeConfigShieldedInstanceConfigArgs(
            enable_secure_boot=True, enable_integrity_monitoring=True
        ),
    )
