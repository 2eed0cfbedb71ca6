"""Finds the pods of a Kubernetes resource: by the kinds that create pods, and by their shape in any other kind."""

from collections.abc import Iterator, Mapping

from policy.resource import UNKNOWN, Resource, at, each_in, members_of

# The path of the pod specification in each kind that creates pods.
_POD_SPEC = {
    "Pod": "spec",
    "PodTemplate": "template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), "spec.template.spec"
    ),
}
# What makes an object a pod specification, in whatever kind it is.
_SHAPE = ("initContainers", "containers", "ephemeralContainers")


def pod_specs(resource: Resource) -> list[object]:
    """The pod specifications in a Kubernetes resource; UNKNOWN for one that is not known yet."""
    if resource.package != "kubernetes":
        return []
    path = _POD_SPEC.get(resource.type_name)
    named = resource.get(path) if path else None
    shaped = [mapping for mapping in _mappings(resource.inputs) if mapping is not named and _has_containers(mapping)]
    return [each for each in (named, *shaped) if each is not None]


def containers(resource: Resource) -> list[object]:
    """The containers of those pods, init containers included."""
    return [each for spec in pod_specs(resource) for key in _SHAPE[:2] for each in each_in(at(spec, key))]


def every_container(spec: object) -> list[object]:
    """All containers of a pod, those for debugging too, which Kubernetes gives no resources of their own."""
    return [member for key in _SHAPE for member in members_of(at(spec, key))]


def container_name(container: object) -> str:
    """The name of a container in messages."""
    return f"container {at(container, 'name')}"


def _has_containers(value: Mapping[str, object]) -> bool:
    return any(value.get(key) is UNKNOWN or isinstance(value.get(key), list) for key in _SHAPE)


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    """Every object within, at any depth."""
    if isinstance(value, Mapping):
        yield value
        for member in value.values():
            yield from _mappings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _mappings(member)
