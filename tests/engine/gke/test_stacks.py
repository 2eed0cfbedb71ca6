"""Each of the four stacks, as its file has it, from nothing to nothing."""

import re
from collections import Counter

import pyarrow.parquet as pq
import pytest
from kubernetes import client

from tests.engine.gke.world import NAMESPACE, World, contents
from tests.engine.harness import Stack, eventually

NODES = {"2cpu-4gb": 8, "4cpu-8gb": 4, "8cpu-16gb": 2, "8cpu-64gb": 2}
# USD of the serving nodes alone, as the published experiment counted them.
DAY = {"2cpu-4gb": 11.15, "4cpu-8gb": 11.15, "8cpu-16gb": 11.15, "8cpu-64gb": 17.36}


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
    pods = servers(world)
    on = Counter(pod.spec.node_name for pod in pods)
    assert len(pods) == NODES[stack.name]
    assert set(on.values()) == {1}
    assert all("serving" in node for node in on)


def test_the_update_has_measured_it_from_the_load_pool(stack: Stack, world: World):
    outputs = stack.outputs()
    (run,) = stack.runs()
    assert (outputs["runId"], outputs["runIds"]) == (run.run_id, [run.run_id])
    assert run.validity.reasons == ()
    assert (run.platform, run.stack, run.serving.replicas) == ("gke", stack.name, NODES[stack.name])
    assert run.cost.hourly == pytest.approx(outputs["cost"]["serving"]["hourly"], abs=1e-4)
    assert not run.generator.shares_host_with_server
    assert outputs["headline"]["requests"] > 10
    rows = sum(pq.read_metadata(part).num_rows for part in stack.results.rglob("*.parquet"))
    assert rows >= outputs["headline"]["requests"]
    assert client.BatchV1Api(world.api).list_namespaced_job(NAMESPACE).items == []


def test_nothing_needed_a_call_to_google_beside_making_things(world: World, stack: Stack):
    assert [line for line in world.memory.operations() if line["operation"] == "invoke"] == []


def test_a_refresh_and_a_preview_find_nothing_changed(stack: Stack):
    stack.must("refresh", "--yes", "--expect-no-changes")
    stack.must("preview", "--refresh", "--expect-no-changes")


def test_another_inter_op_changes_the_serving_is_measured_and_changes_nothing_in_google_cloud(
    stack: Stack, world: World
):
    before = len(world.memory.operations())
    stack.config["serving"] |= {"interOp": 2}
    stack.must_up()
    made = {"create", "update", "delete"}
    assert [line for line in world.memory.operations()[before:] if line["operation"] in made] == []
    arguments = {argument for pod in servers(world) for argument in pod.spec.containers[0].args}
    assert "--tensorflow_inter_op_parallelism=2" in arguments
    assert "--tensorflow_inter_op_parallelism=8" not in arguments
    assert [(run.serving.inter_op, run.validity.verdict) for run in stack.runs()] == [(8, "valid"), (2, "valid")]


def test_a_destroy_leaves_nothing_anywhere_but_the_runs(stack: Stack, world: World):
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    assert world.google() == []
    eventually(lambda: not any(NAMESPACE in content for content in contents(world.api)), "the namespace is gone")
    assert len(stack.runs()) == 2


def servers(world: World) -> list[client.V1Pod]:
    return client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE).items
