"""GkeCluster: a zonal cluster of one node shape, private and hardened, and the provider that deploys to it."""

from dataclasses import dataclass

import pulumi
from pulumi_gcp.container.cluster import Cluster
from pulumi_gcp.container.node_pool import NodePool
from pulumi_gcp.projects import IAMMember
from pulumi_gcp.serviceaccount.account import Account
from pulumi_kubernetes import Provider

from components.gke.control_plane import ControlPlaneArgs, make_control_plane
from components.gke.kubeconfig import exec_kubeconfig
from components.gke.node_pool import PoolArgs, make_pool
from components.gke.service_account import make_service_account
from stacks.shapes import NodeShape

# GKE needs the first, to write logs, metrics and metadata. The second pulls server images from Artifact Registry.
_NODE_ROLES = {"node": "roles/container.defaultNodeServiceAccount", "images": "roles/artifactregistry.reader"}


@dataclass
class GkeClusterArgs:
    """The control plane, and the machines of both node pools."""

    control_plane: ControlPlaneArgs
    shape: NodeShape
    load_machine_type: str
    load_nodes: int


class GkeCluster(pulumi.ComponentResource):
    """The cluster and its node pools. Resources of `provider` are created after the nodes and deleted before them."""

    control_plane: Cluster
    serving_pool: NodePool
    load_pool: NodePool
    provider: Provider
    kubeconfig: pulumi.Output[str]
    """Secret."""
    workload_pool: pulumi.Output[str]
    """`<project>.svc.id.goog`; known once the cluster exists, as a project gets its pool with its first cluster."""

    def __init__(self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:GkeCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = make_service_account(f"{name}-nodes", "nodes", args.control_plane.labels, child)
        roles = _grant_node_roles(name, account, child)
        # Without NAT a node cannot pull images, so NAT is deleted after the last node.
        after = pulumi.ResourceOptions(parent=self, depends_on=[*roles, args.control_plane.network.nat])
        cluster = make_control_plane(f"{name}-control-plane", args.control_plane, account.email, after)
        self.control_plane = cluster
        self.load_pool, self.serving_pool = _make_pools(name, args, cluster, account, child)
        self.kubeconfig = pulumi.Output.secret(
            _kubeconfig(cluster, by_address=bool(args.control_plane.authorized_networks))
        )
        self.workload_pool = cluster.workload_identity_config.workload_pool.apply(str)
        self.provider = Provider(
            f"{name}-provider",
            kubeconfig=self.kubeconfig,
            # Another kubeconfig of the same cluster must not replace everything in it.
            cluster_identifier=cluster.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.load_pool, self.serving_pool]),
        )
        self.register_outputs({})


def _grant_node_roles(name: str, account: Account, opts: pulumi.ResourceOptions) -> list[IAMMember]:
    return [
        IAMMember(
            f"{name}-nodes-{what}",
            project=account.project,
            role=role,
            member=pulumi.Output.concat("serviceAccount:", account.email),
            opts=opts,
        )
        for what, role in _NODE_ROLES.items()
    ]


def _make_pools(
    name: str, args: GkeClusterArgs, cluster: Cluster, account: Account, opts: pulumi.ResourceOptions
) -> tuple[NodePool, NodePool]:
    """The load and serving pools, one after the other: GKE refuses a second operation while one is running."""
    labels = args.control_plane.labels
    # Some changes replace a pool, and quota is seldom enough for two of the same.
    replaced = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True))
    # First and without a taint, because the system's own pods run there.
    load = make_pool(
        f"{name}-load",
        cluster,
        PoolArgs("load", args.load_machine_type, args.load_nodes, account.email, labels, exclusive=False),
        replaced,
    )
    serving = make_pool(
        f"{name}-serving",
        cluster,
        PoolArgs("serving", args.shape.machine_type, args.shape.nodes, account.email, labels, exclusive=True),
        pulumi.ResourceOptions.merge(replaced, pulumi.ResourceOptions(depends_on=[load])),
    )
    return load, serving


def _kubeconfig(cluster: Cluster, *, by_address: bool) -> pulumi.Output[str]:
    if by_address:
        return pulumi.Output.all(cluster.endpoint, cluster.master_auth.cluster_ca_certificate).apply(
            lambda known: exec_kubeconfig(*known)
        )
    name = cluster.control_plane_endpoints_config.dns_endpoint_config.endpoint
    return name.apply(lambda known: exec_kubeconfig(known, None))
