"""The serving pool has a fixed number of nodes, and its pods do not scale."""

from collections.abc import Iterator

from policy.kinds import is_serving_pool
from policy.resource import UNKNOWN, Resource

_POD_AUTOSCALERS = {"HorizontalPodAutoscaler", "VerticalPodAutoscaler"}


def check(resource: Resource) -> Iterator[str]:
    if resource.type_name in _POD_AUTOSCALERS:
        yield (
            "it changes the number or the size of pods under load, so a run measures several shapes at once; remove it"
            " and set shapebench:shape.nodes"
        )
    if is_serving_pool(resource):
        yield from _pool(resource)


def _pool(resource: Resource) -> Iterator[str]:
    if resource.get("autoscaling") not in (None, UNKNOWN):
        yield (
            "it is a serving pool and has autoscaling, so its number of nodes may change during a run, and the run's"
            " price would be wrong; remove autoscaling and set shapebench:shape.nodes"
        )
    elif resource.get("nodeCount") is None:
        yield (
            "it is a serving pool and has no nodeCount, so Google decides how many nodes are measured and billed; set"
            " it to shapebench:shape.nodes"
        )
