"""Every resource has labels with its stack, its commit and the end of its lease."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.resource import UNKNOWN, Resource, at
from stacks.names import COMMIT, EXPIRES, STACK, expiry, from_description

_NEEDED = (STACK, COMMIT, EXPIRES)

# Where the labels are. Networks, routers and accounts have none; their description holds the labels as text.
_LABELS_AT = {
    "gcp:container/cluster:Cluster": "resourceLabels",
    "gcp:container/nodePool:NodePool": "nodeConfig.resourceLabels",
}
_DESCRIBED = {
    "gcp:compute/network:Network",
    "gcp:compute/subnetwork:Subnetwork",
    "gcp:compute/router:Router",
    "gcp:serviceaccount/account:Account",
}
# These can have neither, and are deleted with the resource that they belong to.
_UNLABELLED = {
    "gcp:compute/routerNat:RouterNat",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:serviceaccount/iAMMember:IAMMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:storage/bucketObject:BucketObject",
}


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == "kubernetes:core/v1:Namespace":
        labels = resource.get("metadata.labels")
        if labels is not UNKNOWN and not at(labels, STACK):
            yield (
                f"its metadata.labels have no {STACK}, so in a shared cluster nobody can tell whose it is; give"
                " it the labels of the stack (stacks/names.py)"
            )
    elif resource.package == "gcp" and resource.kind not in _UNLABELLED:
        yield from _on_google(resource)


def _on_google(resource: Resource) -> Iterator[str]:
    where = "description" if resource.kind in _DESCRIBED else _LABELS_AT.get(resource.kind, "labels")
    labels = _labels(resource.get(where))
    if labels is None:
        return
    missing = [key for key in _NEEDED if not labels.get(key)]
    if missing:
        yield (
            f"its {where} has no {', '.join(missing)}, so the janitor cannot find it once the stack is gone, and it"
            " is billed until somebody notices; give it the labels of the stack (stacks/names.py). If its kind has no"
            " labels, add the kind to policy/rules/labels_and_expiry.py"
        )
    elif labels[EXPIRES] is not UNKNOWN and expiry(labels) is None:
        yield (
            f"its {EXPIRES} is {labels[EXPIRES]!r}, which is no time, so it never expires; take it from"
            " the stack's lease (components/gke/lease.py)"
        )


def _labels(value: object) -> Mapping[str, Any] | None:
    """The labels; None where they are not known yet."""
    if value is UNKNOWN:
        return None
    if isinstance(value, str):
        return from_description(value)
    return value if isinstance(value, Mapping) else {}
