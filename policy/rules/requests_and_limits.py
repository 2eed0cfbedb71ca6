"""Every container sets requests for CPU and memory and a memory limit; a CPU limit is allowed."""

from collections.abc import Iterator

from policy.pods import container_name, containers
from policy.resource import Resource, at

_NEEDED = ("requests.cpu", "requests.memory", "limits.memory")


def check(resource: Resource) -> Iterator[str]:
    for container in containers(resource):
        missing = [each for each in _NEEDED if at(container, f"resources.{each}") in (None, "")]
        if missing:
            yield (
                f"{container_name(container)} sets no {', '.join(missing)}, so other pods may take the CPU or memory"
                " of its node during a run; set the values that stacks/allocatable.py computes. A stack with"
                " seedFaithful sets none on purpose, so it always violates this rule"
            )
