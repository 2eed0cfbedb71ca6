"""Every resource is of a kind that the program declares."""

from collections.abc import Iterator

from policy.kinds import DECLARED_KINDS
from policy.resource import Resource


def check(resource: Resource) -> Iterator[str]:
    kind = resource.part_of or resource.kind
    if kind in DECLARED_KINDS or resource.package == "shapebench":
        return
    if kind == "kubernetes:helm.sh/v3:Release":
        yield (
            "Helm creates its objects outside of Pulumi, so no rule sees them and no preview shows them; declare each"
            " object as a resource of its own"
        )
    else:
        yield (
            f"{kind} is not a kind that the program declares, so no rule knows what it can do; if a stack needs it,"
            " extend the rules to what it can do and add it to policy/kinds.py"
        )
