"""The types that rules look at, by the tokens that the engine knows them by, and where some of them keep things."""

from policy.resource import UNKNOWN, Resource, at, each_in

CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"

# As components.gke.node_pool labels its pools.
_POOL_LABEL, _LOAD_POOL = "shapebench/pool", "load"

# Where a pod's specification lies in each kind that makes pods. `apps/v1` and `batch/v1` share the deeper path.
_POD_SPEC = {
    "Pod": "spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), "spec.template.spec"
    ),
}


def is_serving_pool(resource: Resource) -> bool:
    """Whether it is a node pool that may serve: every one that is not marked as the load generator's."""
    labels = resource.get("nodeConfig.labels")
    return resource.kind == NODE_POOL and labels is not UNKNOWN and at(labels, _POOL_LABEL) not in (_LOAD_POOL, UNKNOWN)


def pod_spec(resource: Resource) -> object:
    """The specification of the pods that a Kubernetes resource makes; None for one that makes none."""
    path = _POD_SPEC.get(resource.type_name) if resource.package == "kubernetes" else None
    return resource.get(path) if path else None


def containers(resource: Resource) -> list[object]:
    """Every container of those pods, those that only start first among them."""
    spec = pod_spec(resource)
    return [each for key in ("initContainers", "containers") for each in each_in(at(spec, key))]


def container_name(container: object) -> str:
    """What a message calls a container."""
    return f"container {at(container, 'name')}"
