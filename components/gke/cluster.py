"""GkeCluster: a zonal cluster of one node shape, private and hardened, and the provider that deploys to it."""

import pulumi
from pulumi_gcp.container.cluster import Cluster
from pulumi_gcp.projects import IAMMember
from pulumi_gcp.serviceaccount.account import Account
from pulumi_kubernetes import Provider

from components.gke.control_plane import GkeClusterArgs, make_control_plane
from components.gke.kubeconfig import exec_kubeconfig
from components.gke.node_pool import PoolArgs, make_pool
from components.gke.service_account import make_service_account

# GKE needs the first, to write logs, metrics and metadata. The second pulls server images from Artifact Registry.
_NODE_ROLES = {"node": "roles/container.defaultNodeServiceAccount", "images": "roles/artifactregistry.reader"}


class GkeCluster(pulumi.ComponentResource):
    """The cluster and its node pools. Resources of `provider` are created after the nodes and deleted before them."""

    control_plane: Cluster
    provider: Provider
    kubeconfig: pulumi.Output[str]
    """Secret."""
    workload_pool: pulumi.Output[str]
    """`<project>.svc.id.goog`; known once the cluster exists, as a project gets its pool with its first cluster."""

    def __init__(self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:gke:GkeCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = make_service_account(f"{name}-nodes", "nodes", args.labels, child)
        roles = [
            IAMMember(
                f"{name}-nodes-{what}",
                project=account.project,
                role=role,
                member=pulumi.Output.concat("serviceAccount:", account.email),
                opts=child,
            )
            for what, role in _NODE_ROLES.items()
        ]
        # Without NAT a node cannot pull images, so NAT is deleted after the last node.
        after = pulumi.ResourceOptions(parent=self, depends_on=[*roles, args.network.nat])
        cluster = make_control_plane(f"{name}-control-plane", args, account.email, after)
        self.control_plane = cluster
        pools = _make_pools(name, args, cluster, account, child)
        self.kubeconfig = pulumi.Output.secret(
            cluster.control_plane_endpoints_config.dns_endpoint_config.endpoint.apply(exec_kubeconfig)
        )
        self.workload_pool = cluster.workload_identity_config.workload_pool.apply(str)
        self.provider = Provider(
            f"{name}-provider",
            kubeconfig=self.kubeconfig,
            # Another kubeconfig of the same cluster must not replace everything in it.
            cluster_identifier=cluster.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=pools),
        )
        self.register_outputs({})


def _make_pools(
    name: str, args: GkeClusterArgs, cluster: Cluster, account: Account, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """The load and serving pools, one after the other: GKE refuses a second operation while one is running."""
    # Some changes replace a pool, and quota is seldom enough for two of the same.
    replaced = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True))
    # First and without a taint, because the system's own pods run there.
    load_args = PoolArgs("load", args.load_shape, account.email, args.labels)
    load = make_pool(f"{name}-load", cluster, load_args, replaced)
    serving_args = PoolArgs("serving", args.shape, account.email, args.labels)
    after = pulumi.ResourceOptions.merge(
        replaced, pulumi.ResourceOptions(depends_on=[load], replacement_trigger=args.machine_token)
    )
    return [load, make_pool(f"{name}-serving", cluster, serving_args, after)]
