"""The kinds of resources that the program declares, and what rules need to know of each."""

from collections.abc import Mapping

from policy.resource import UNKNOWN, Resource, at

CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
BUCKET = "gcp:storage/bucket:Bucket"

LABELS_OF_GOOGLE_KINDS = {
    CLUSTER: "resourceLabels",
    NODE_POOL: "nodeConfig.resourceLabels",
    BUCKET: "labels",
    # These have no labels; their description holds the labels as text.
    "gcp:compute/network:Network": "description",
    "gcp:compute/subnetwork:Subnetwork": "description",
    "gcp:compute/router:Router": "description",
    "gcp:serviceaccount/account:Account": "description",
    # These have neither, and are deleted with the resource that they belong to.
    "gcp:compute/routerNat:RouterNat": None,
    "gcp:projects/iAMMember:IAMMember": None,
    "gcp:storage/bucketIAMMember:BucketIAMMember": None,
    "gcp:storage/bucketObject:BucketObject": None,
}
"""Every kind of Google Cloud that the program declares, and the input that has its labels; None for no such input."""

DECLARED_KINDS = {
    *LABELS_OF_GOOGLE_KINDS,
    "kubernetes:apps/v1:Deployment",
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:Service",
    "kubernetes:core/v1:ServiceAccount",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    "pulumi:providers:gcp",
    "pulumi:providers:kubernetes",
    "pulumi:providers:shapebench",
    "pulumi:pulumi:Stack",
}
"""Every kind that the program declares, beside those of its own package `shapebench`."""

# The labels of components/gke/node_pool.py.
_POOL_LABEL, _LOAD_POOL = "shapebench/pool", "load"

# The labels of stacks/names.py.
_COMPONENT_LABEL, _SERVER = "app.kubernetes.io/component", "model-server"


def is_autoscaler_of_the_stack(resource: Resource) -> bool:
    """Whether `shapebench:autoscaler` made it, which settings allow for a load that follows a curve alone."""
    labels = resource.get("metadata.labels")
    is_ours = isinstance(labels, Mapping) and labels.get(_COMPONENT_LABEL) == _SERVER
    return resource.type_name == "HorizontalPodAutoscaler" and is_ours


def is_serving_pool(resource: Resource) -> bool:
    """Whether it is a node pool that may serve: any that is not labelled as the load generator's."""
    labels = resource.get("nodeConfig.labels")
    return resource.kind == NODE_POOL and labels is not UNKNOWN and at(labels, _POOL_LABEL) not in (_LOAD_POOL, UNKNOWN)
