"""The resources that a killed update was creating, read from the stack's state (`pulumi stack export`)."""

import json
from collections.abc import Mapping
from typing import Any

from stacks.explain import SettingsError


def interrupted_names(export: str, stack: str) -> Mapping[str, str | None]:
    """The names of Google Cloud resources whose creation was interrupted, with the description of each that has one.

    Raises SettingsError where `export` is not a state, or is that of another stack.
    """
    try:
        pending = json.loads(export)["deployment"].get("pending_operations") or []
        creations = [operation["resource"] for operation in pending if operation["type"] == "creating"]
        stacks = {creation["urn"].split(":")[2] for creation in creations}
        names = {name: creation["inputs"].get("description") for creation in creations if (name := _name(creation))}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise SettingsError(
            "the file is not the state of a stack, so it does not show which resources were being created; give the"
            f" output of `pulumi stack export --stack {stack}`"
        ) from None
    if stacks - {stack}:
        raise SettingsError(
            f"the file is the state of {', '.join(sorted(stacks - {stack}))}, so it says nothing about {stack}; give"
            f" the output of `pulumi stack export --stack {stack}`"
        )
    return names


def _name(resource: dict[str, Any]) -> str | None:
    """The name in Google Cloud; that of a service account is the part of its address before the `@`."""
    if not resource["type"].startswith("gcp:"):
        return None
    inputs = resource.get("inputs") or {}
    name = inputs.get("accountId") or inputs.get("name")
    return name if isinstance(name, str) else None
