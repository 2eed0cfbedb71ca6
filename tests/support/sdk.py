"""What the SDK of Google Cloud says about a resource's properties: it is generated from the provider's schema."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints


def has_property(resource: type, path: str) -> bool:
    """Whether the property is there, by the name that the engine uses; below a map every key is."""
    return _getter(resource, path) is not None


def may_be_absent(resource: type, name: str) -> bool:
    """Whether a top-level property can be unset in a resource that exists: it is optional and not computed."""
    (output,) = get_args(get_type_hints(_getter(resource, name))["return"])
    return NoneType in get_args(output)


def _getter(resource: Any, path: str) -> Any:
    getter: Any = None
    for part in path.split("."):
        if resource is Mapping:
            return getter
        getters = (member.fget for member in vars(resource).values() if isinstance(member, property))
        getter = next((getter for getter in getters if getattr(getter, "_pulumi_name", None) == part), None)
        if getter is None:
            return None
        resource = _inner(get_type_hints(getter)["return"])
    return getter


def _inner(hint: Any) -> Any:
    """The class below outputs, options and lists; Mapping for a map."""
    arguments = [argument for argument in get_args(hint) if argument is not NoneType]
    if not arguments or get_origin(hint) is Mapping:
        return get_origin(hint) or hint
    return _inner(arguments[0])
