"""The types of resources that rules check, and where pods and node pools are in their inputs."""

from policy.resource import UNKNOWN, Resource, at, each_in

CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"

# The labels of components.gke.node_pool.
_POOL_LABEL, _LOAD_POOL = "shapebench/pool", "load"

# The path of the pod specification in each kind that creates pods.
_POD_SPEC = {
    "Pod": "spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), "spec.template.spec"
    ),
}


def is_serving_pool(resource: Resource) -> bool:
    """Whether it is a node pool that may serve: any that is not labelled as the load generator's."""
    labels = resource.get("nodeConfig.labels")
    return resource.kind == NODE_POOL and labels is not UNKNOWN and at(labels, _POOL_LABEL) not in (_LOAD_POOL, UNKNOWN)


def pod_spec(resource: Resource) -> object:
    """The pod specification of a Kubernetes resource; None where it creates no pods."""
    path = _POD_SPEC.get(resource.type_name) if resource.package == "kubernetes" else None
    return resource.get(path) if path else None


def containers(resource: Resource) -> list[object]:
    """The containers of those pods, init containers included."""
    spec = pod_spec(resource)
    return [each for key in ("initContainers", "containers") for each in each_in(at(spec, key))]


def every_container(resource: Resource) -> list[object]:
    """Those and the ephemeral ones, for debugging, which Kubernetes gives no resources of their own."""
    return [*containers(resource), *each_in(at(pod_spec(resource), "ephemeralContainers"))]


def container_name(container: object) -> str:
    """The name of a container in messages."""
    return f"container {at(container, 'name')}"
