"""What a Kubernetes resource consists of: the object that a patch changes, the items of a list."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policy.resource import Resource, each_in

_PATCH, _LIST = "Patch", "List"


def parts(resource: Resource) -> list[Resource]:
    """The resource as plain objects. A resource that is neither a patch nor a list is its only part."""
    if resource.package != "kubernetes":
        return [resource]
    if resource.kind.endswith(_LIST):
        items = [each for each in each_in(resource.get("items")) if isinstance(each, Mapping)]
        return [_item(resource, item) for item in items] or [resource]
    if resource.kind.endswith(_PATCH):
        return [replace(resource, kind=resource.kind.removesuffix(_PATCH), part_of=resource.kind)]
    return [resource]


def _item(resource: Resource, inputs: Mapping[str, Any]) -> Resource:
    """An item of a list. It says its own kind, or has that of the list."""
    version, kind = inputs.get("apiVersion"), inputs.get("kind")
    token = resource.kind.removesuffix(_LIST)
    if isinstance(version, str) and isinstance(kind, str):
        token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    return replace(resource, kind=token, inputs=inputs, part_of=resource.kind)
