"""A serving pod of any shape fits on the nodes that were published; the figures are of their listings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.allocatable import PodResources, ShapeTooSmallError, pod_resources, stack_pod_resources
from stacks.explain import SettingsError
from stacks.files import load_settings
from stacks.machines.kubernetes import PodSettings
from stacks.machines.shapes import NodeShape
from stacks.server.models import RESNET50
from tests.support.published_nodes import DAEMONS, KUBE_DNS, NODES, SHARED_CORE, PublishedNode, Requests, node_of

SLACK_MIB = 100
STACKS = ("2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb")


def shape(vcpus: int, memory_gb: float) -> NodeShape:
    return NodeShape(name="any", machine_type="any", vcpus=vcpus, memory_gb=memory_gb, nodes=1)


def pod_of(shape: NodeShape) -> PodResources:
    return pod_resources(shape, RESNET50)


def left_of(node: PublishedNode, *pods: Requests) -> Requests:
    """What the daemons and these pods leave of a node."""
    beside = (*DAEMONS.values(), *pods)
    return Requests(
        node.allocatable_millis - sum(pod.millis for pod in beside),
        node.allocatable_kib // 1024 - sum(pod.memory_mib for pod in beside),
    )


def assert_fits(node: PublishedNode, vcpus: int, memory_gb: float) -> None:
    pod, left = pod_of(shape(vcpus, memory_gb)), left_of(node)
    assert pod.cpu_millis <= left.millis
    assert pod.memory_mib + SLACK_MIB <= left.memory_mib


@pytest.mark.parametrize("node", NODES, ids=lambda node: f"{node.vcpus}-{node.memory_gb}")
def test_a_pod_fits_beside_the_daemons_on_every_published_node(node):
    assert_fits(node, node.vcpus, node.memory_gb)


@pytest.mark.parametrize("node", SHARED_CORE)
def test_the_memory_of_a_pod_fits_on_a_published_node_of_4_gb(node):
    assert pod_of(shape(2, 4)).memory_mib + SLACK_MIB <= left_of(node).memory_mib


@pytest.mark.parametrize("stack", STACKS)
def test_the_pod_of_each_stack_fits_on_a_published_node_of_its_size(stack):
    vcpus, memory_gb = (node := load_settings(stack).node_shape(stack)).vcpus, node.memory_gb
    assert_fits(node_of(vcpus, memory_gb), vcpus, memory_gb)


@pytest.mark.parametrize("node", NODES, ids=lambda node: f"{node.vcpus}-{node.memory_gb}")
def test_a_pod_requests_about_half_of_what_a_node_offers(node):
    assert 0.4 < pod_of(shape(node.vcpus, node.memory_gb)).cpu_millis / node.allocatable_millis < 0.5


@pytest.mark.parametrize("node", [node for node in NODES if node.vcpus == 2], ids=lambda node: str(node.memory_gb))
def test_both_replicas_of_kube_dns_on_the_smallest_node_leave_room_for_a_pod(node):
    """The taint keeps them off a serving pool; an existing cluster may have none."""
    assert pod_of(shape(2, node.memory_gb)).cpu_millis <= left_of(node, KUBE_DNS, KUBE_DNS).millis


@pytest.mark.parametrize("stack", STACKS)
def test_a_pod_of_each_stack_has_most_of_the_memory_that_the_daemons_leave(stack):
    sized = load_settings(stack).node_shape(stack)
    assert pod_of(sized).memory_mib > 0.85 * left_of(node_of(sized.vcpus, sized.memory_gb)).memory_mib


def test_the_smallest_shape_has_room_for_resnet50():
    # The embedded server with ResNet50 and TensorFlow takes about 900 MiB, TF Serving about 500.
    assert pod_of(shape(2, 4)).memory_mib > 1200


def test_a_node_that_is_too_small_is_told_with_the_fix():
    with pytest.raises(
        ShapeTooSmallError, match=r"choose a shapebench:shape\.machineType with more memory, at least 4 GB"
    ):
        pod_of(shape(2, 2))


@given(st.integers(min_value=1, max_value=64), st.integers(min_value=16, max_value=2048).map(lambda n: n / 4))
def test_a_larger_node_has_a_larger_pod_that_is_smaller_than_the_node(vcpus, memory_gb):
    pod, larger = pod_of(shape(vcpus, memory_gb)), pod_of(shape(vcpus + 1, memory_gb + 1))
    assert 0 < pod.cpu_millis < larger.cpu_millis
    assert 0 < pod.memory_mib < larger.memory_mib < 1024 * (memory_gb + 1)


def test_a_model_needs_a_node_that_holds_it() -> None:
    size_bytes = (pod_of(shape(2, 4)).memory_mib - 400) * 2**20
    large = RESNET50.model_copy(update={"size_bytes": size_bytes, "title": "bert"})
    with pytest.raises(ShapeTooSmallError, match="too little to load bert; choose"):
        pod_resources(shape(2, 4), large)
    assert pod_resources(shape(2, 8), large) == pod_of(shape(2, 8))


def test_the_pod_of_a_stack_is_that_of_its_shape() -> None:
    settings = load_settings("4cpu-8gb")
    assert stack_pod_resources("4cpu-8gb", settings, RESNET50) == pod_of(settings.node_shape("4cpu-8gb"))
    too_large = RESNET50.model_copy(update={"size_bytes": 8 * 2**30})
    with pytest.raises(ShapeTooSmallError, match="too little to load ResNet50"):
        stack_pod_resources("4cpu-8gb", settings, too_large)


def test_the_pod_of_a_stack_in_an_existing_cluster_can_be_stated() -> None:
    settings = load_settings("kubernetes")
    stated = PodSettings(cpu_millis=700, memory_mib=600)
    settings = settings.model_copy(update={"kubernetes": settings.kubernetes.model_copy(update={"pod": stated})})
    assert stack_pod_resources("kubernetes", settings, RESNET50) == PodResources(700, 600)
    too_large = RESNET50.model_copy(update={"size_bytes": 2**30})
    with pytest.raises(SettingsError, match="memoryMib is 600, but a server needs 1441 MiB to load ResNet50"):
        stack_pod_resources("kubernetes", settings, too_large)


def test_a_stack_without_a_memory_limit_takes_any_model() -> None:
    huge = RESNET50.model_copy(update={"size_bytes": 2**40})
    assert stack_pod_resources("local", load_settings("local"), huge) is None
    settings = load_settings("8cpu-16gb")
    seed_faithful = settings.model_copy(update={"gke": settings.gke.model_copy(update={"seed_faithful": True})})
    assert stack_pod_resources("8cpu-16gb", seed_faithful, huge) is None
