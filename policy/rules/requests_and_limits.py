"""Every container sets requests and limits for CPU and memory."""

from collections.abc import Iterator

from policy.kinds import container_name, containers
from policy.resource import Resource, at

_NEEDED = [f"{kind}.{what}" for kind in ("requests", "limits") for what in ("cpu", "memory")]


def check(resource: Resource) -> Iterator[str]:
    for container in containers(resource):
        missing = [each for each in _NEEDED if at(container, f"resources.{each}") in (None, "")]
        if missing:
            yield (
                f"{container_name(container)} sets no {', '.join(missing)}, so two servers may share a node and"
                " slow each other down; set resources to what a node can give (stacks/allocatable.py). A stack with"
                " seedFaithful has none on purpose and cannot pass"
            )
