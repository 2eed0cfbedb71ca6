"""Pools have a fixed number of nodes that Google does not take back, and pods scale only where a curve is played."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL, is_autoscaler_of_the_stack, is_serving_pool
from policy.requirement import Requirement
from policy.resource import Resource

_POD_AUTOSCALERS = {"HorizontalPodAutoscaler", "VerticalPodAutoscaler", "MultidimPodAutoscaler"}
_OFF = (None, False)
_TAKEN_BACK = "so Google may take a node back during a run, and its price is not the one that reports show"
_OTHER_NODES = "so GKE adds nodes under load that no stack file names, and they are measured and billed"

_CLUSTER = (
    Requirement("enableAutopilot", _OFF, "so GKE chooses the nodes that are measured"),
    Requirement("clusterAutoscaling.enabled", _OFF, _OTHER_NODES),
    Requirement("verticalPodAutoscaling.enabled", _OFF, "so GKE may change the size of pods during a run"),
    Requirement("nodePools", (None,), "so the cluster has pools that no rule checks, beside those of the stack"),
    Requirement("removeDefaultNodePool", (True,), "so the default pool stays: it is billed, and pods run there"),
)
# Of the load generator's pool too: a run does not survive its generator.
_POOL = (
    Requirement("nodeConfig.spot", _OFF, _TAKEN_BACK),
    Requirement("nodeConfig.preemptible", _OFF, _TAKEN_BACK),
    Requirement("nodeConfig.flexStart", _OFF, _TAKEN_BACK),
    Requirement("nodeConfig.maxRunDuration", (None, ""), _TAKEN_BACK),
    Requirement("queuedProvisioning.enabled", _OFF, "so nodes exist only while a request for them is served"),
)
_AUTOSCALING = Requirement(
    "autoscaling", (None,), "so the number of serving nodes may change during a run, whose price would be wrong"
)


def check(resource: Resource) -> Iterator[str]:
    if resource.type_name in _POD_AUTOSCALERS and not is_autoscaler_of_the_stack(resource):
        yield (
            "it changes the number or the size of pods under load, so a run measures several shapes at once; remove it"
            " and set shapebench:shape.nodes, or shapebench:autoscaler for a load that follows a curve"
        )
    if resource.kind == CLUSTER:
        yield from _requirements(_CLUSTER, resource)
    if resource.kind == NODE_POOL:
        yield from _requirements(_POOL, resource)
    if is_serving_pool(resource):
        yield from _serving(resource)


def _requirements(requirements: tuple[Requirement, ...], resource: Resource) -> Iterator[str]:
    for requirement in requirements:
        yield from requirement.problems(resource.inputs)


def _serving(resource: Resource) -> Iterator[str]:
    yield from _AUTOSCALING.problems(resource.inputs)
    if resource.get("nodeCount") is None and resource.get("autoscaling") is None:
        yield (
            "it is a serving pool and has no nodeCount, so Google decides how many nodes are measured and billed; set"
            " it to shapebench:shape.nodes"
        )
