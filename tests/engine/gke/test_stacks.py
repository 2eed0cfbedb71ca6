"""Each of the four stacks, as its file has it, from nothing to nothing."""

import re
from collections import Counter

import pytest
from kubernetes import client

from tests.engine.gke.world import World, contents
from tests.engine.harness import Stack, eventually

NODES = {"2cpu-4gb": 8, "4cpu-8gb": 4, "8cpu-16gb": 2, "8cpu-64gb": 2}
# USD of the serving nodes alone, as the published experiment counted them.
DAY = {"2cpu-4gb": 11.15, "4cpu-8gb": 11.15, "8cpu-16gb": 11.15, "8cpu-64gb": 17.36}
NAMESPACE = "shapebench"


@pytest.fixture(scope="module", params=NODES)
def stack(world: World, request: pytest.FixtureRequest) -> Stack:
    return world.stack_of_the_checkout(request.param)


def test_a_preview_of_nothing_is_complete_and_prints_the_monthly_cost(stack: Stack, world: World):
    shown = stack.must("preview", "--diff")
    assert re.search(r"monthly +: \d+", shown)
    assert re.search(rf"nodesOnly24h +: {DAY[stack.name]}", shown)
    for kind in ("container/cluster:Cluster", "container/nodePool:NodePool", "apps/v1:Deployment", "core/v1:Service"):
        assert kind in shown
    assert world.google() == []


def test_it_comes_up_with_one_server_on_every_node_of_its_shape(stack: Stack, world: World):
    stack.must_up()
    pods = client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE).items
    on = Counter(pod.spec.node_name for pod in pods)
    assert len(pods) == NODES[stack.name]
    assert set(on.values()) == {1}
    assert all("serving" in node for node in on)


def test_nothing_needed_a_call_to_google_beside_making_things(world: World, stack: Stack):
    assert [line for line in world.memory.operations() if line["operation"] == "invoke"] == []


def test_a_refresh_and_a_preview_find_nothing_changed(stack: Stack):
    stack.must("refresh", "--yes", "--expect-no-changes")
    stack.must("preview", "--expect-no-changes")


def test_another_inter_op_changes_the_serving_and_nothing_in_google_cloud(stack: Stack, world: World):
    before = len(world.memory.operations())
    stack.config["serving"] |= {"interOp": 2}
    stack.must_up()
    made = {"create", "update", "delete"}
    assert [line for line in world.memory.operations()[before:] if line["operation"] in made] == []
    pods = client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE).items
    arguments = {argument for pod in pods for argument in pod.spec.containers[0].args}
    assert "--tensorflow_inter_op_parallelism=2" in arguments
    assert "--tensorflow_inter_op_parallelism=8" not in arguments


def test_a_destroy_leaves_nothing_anywhere(stack: Stack, world: World):
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    assert world.google() == []
    eventually(lambda: not any(NAMESPACE in each for each in contents(world.api)), "the namespace is gone")
