"""Pods keep to the restricted level of Pod Security, and their namespace enforces it."""

from collections.abc import Iterator

from policy.kinds import container_name, every_container, pod_spec
from policy.resource import UNKNOWN, Resource, at, each_in

_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_ENFORCE = "pod-security.kubernetes.io/enforce"
_RESTRICTED = "restricted"
# The only one that the restricted level lets a container add.
_HARMLESS_CAPABILITY = "NET_BIND_SERVICE"
_OUT = "so whoever takes over the container takes over the node and all that runs there"


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == "kubernetes:core/v1:Namespace":
        yield from _namespace(resource)
    spec = pod_spec(resource)
    for namespace in _HOST_NAMESPACES:
        if at(spec, namespace) is True:
            yield f"its pods share the node's {namespace.removeprefix('host').lower()}, {_OUT}; remove {namespace}"
    for volume in each_in(at(spec, "volumes")):
        if at(volume, "hostPath") not in (None, UNKNOWN):
            yield (
                f"volume {at(volume, 'name')} is a hostPath, which gives pods the node's own files; use an emptyDir,"
                " a ConfigMap or a bucket"
            )
    for container in every_container(resource):
        yield from _container(container)


def _namespace(resource: Resource) -> Iterator[str]:
    # A key that holds dots and a slash is no path.
    labels = resource.get("metadata.labels")
    level = labels.get(_ENFORCE) if isinstance(labels, dict) else labels
    if level not in (_RESTRICTED, UNKNOWN):
        yield (
            f"its {_ENFORCE} is {level or 'not set'}, so the API server admits any pod there, privileged ones too; set"
            f" the label to {_RESTRICTED}"
        )


def _container(container: object) -> Iterator[str]:
    security = at(container, "securityContext")
    if at(security, "privileged") is True:
        yield f"{container_name(container)} is privileged, {_OUT}; remove securityContext.privileged"
    added = [str(each) for each in each_in(at(security, "capabilities.add")) if each != _HARMLESS_CAPABILITY]
    if added:
        yield f"{container_name(container)} adds {', '.join(added)}, {_OUT}; remove capabilities.add"
