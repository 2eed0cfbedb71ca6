"""What a killed update was making, as far as the stack's state tells: `pulumi stack export`, read."""

import json
from typing import Any

from stacks.explain import SettingsError

_CREATING = "creating"


def interrupted_names(export: str, stack: str) -> frozenset[str]:
    """The names of what was asked of Google and never heard of again; none where no creation was interrupted.

    Raises SettingsError where `export` is no state, or that of another stack.
    """
    try:
        pending = json.loads(export)["deployment"].get("pending_operations") or []
        creations = [each["resource"] for each in pending if each["type"] == _CREATING]
        of = {each["urn"].split(":")[2] for each in creations}
        names = {name for each in creations if (name := _name(each))}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise SettingsError(
            f"this is no state of a stack; give what `pulumi stack export --stack {stack}` prints"
        ) from None
    if of - {stack}:
        raise SettingsError(
            f"this is the state of {', '.join(sorted(of - {stack}))}, and what is left of {stack} is asked for;"
            f" give what `pulumi stack export --stack {stack}` prints"
        )
    return frozenset(names)


def _name(resource: dict[str, Any]) -> str | None:
    """What Google calls it; a service account's name is the first part of its address."""
    if not resource["type"].startswith("gcp:"):
        return None
    inputs = resource.get("inputs") or {}
    name = inputs.get("accountId") or inputs.get("name")
    return name if isinstance(name, str) else None
