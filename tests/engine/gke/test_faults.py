"""What goes wrong in Google Cloud or on the way to it ends in a clear error, and the next command completes it."""

import os
import signal

import pytest
from kubernetes import client

from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import World, contents
from tests.engine.harness import Stack, eventually

SECOND_POOL = "NodePool::gke-cluster-serving"
CLUSTER = "Cluster::gke-cluster-control-plane"
NAMESPACE = "shapebench"


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-16gb")


def must_be_gone(stack: Stack, world: World) -> None:
    assert stack.resources() == []
    assert world.google() == []
    eventually(lambda: not any(NAMESPACE in each for each in contents(world.api)), "the namespace is gone")


def clusters_in(world: World) -> list[str]:
    return [each for each in world.google() if "cluster:Cluster" in each]


def test_a_quota_that_is_too_small_for_the_second_pool_is_named_and_an_up_goes_on_from_there(
    stack: Stack, world: World
):
    world.memory.expect(Fault("quota", SECOND_POOL))
    failed = stack.up()
    assert failed.returncode != 0
    assert "Error 403: Insufficient regional quota" in failed.stdout
    assert "Traceback" not in failed.stdout
    clusters = clusters_in(world)
    stack.must_up()
    assert clusters_in(world) == clusters


def test_a_destroy_without_an_api_server_fails_and_the_next_one_completes(stack: Stack, world: World):
    world.control_plane.stop_api_server()
    try:
        failed = stack.run("destroy", "--yes", "--skip-preview")
    finally:
        world.control_plane.start_api_server()
    assert failed.returncode != 0
    assert "unreachable" in failed.stdout
    stack.must("destroy", "--yes", "--skip-preview")
    must_be_gone(stack, world)


def test_being_refused_three_times_for_asking_too_often_is_three_errors_and_then_an_up(stack: Stack, world: World):
    world.memory.expect(Fault("rate-limit", CLUSTER, times=3))
    for _ in range(3):
        failed = stack.up()
        assert failed.returncode != 0
        assert "Error 429" in failed.stdout
    stack.must_up()
    stack.must("destroy", "--yes", "--skip-preview")
    must_be_gone(stack, world)


def test_a_cluster_that_fails_half_way_is_kept_in_the_state_and_an_up_completes_it(stack: Stack, world: World):
    world.memory.expect(Fault("half-way", CLUSTER))
    failed = stack.up()
    assert failed.returncode != 0
    assert "ended in state ERROR" in failed.stdout
    clusters = clusters_in(world)
    assert len(clusters) == 1
    stack.must_up()
    assert clusters_in(world) == clusters
    stack.must("preview", "--expect-no-changes")


def test_a_cluster_that_is_gone_already_is_said_and_the_rest_can_still_be_destroyed(stack: Stack, world: World):
    with world.memory.resources() as resources:
        for key in [key for key in resources if key.startswith("gcp:container/")]:
            del resources[key]
    world.control_plane.stop_api_server()
    try:
        failed = stack.run("destroy", "--yes", "--skip-preview")
        assert failed.returncode != 0
        assert "PULUMI_K8S_DELETE_UNREACHABLE" in failed.stdout
        stack.variables["PULUMI_K8S_DELETE_UNREACHABLE"] = "true"
        stack.must("destroy", "--yes", "--skip-preview")
    finally:
        stack.variables.pop("PULUMI_K8S_DELETE_UNREACHABLE", None)
        world.control_plane.start_api_server()
    assert stack.resources() == []
    assert world.google() == []
    # The stand-in's clusters share one API server, so what was in the lost one is still there.
    client.CoreV1Api(world.api).delete_namespace(NAMESPACE)
    must_be_gone(stack, world)


def test_a_cluster_that_a_killed_engine_was_making_is_spoken_of_and_carries_the_label_by_which_it_is_found(
    stack: Stack, world: World
):
    world.memory.expect(Fault("slow", CLUSTER, seconds=8))
    update = stack.start("up", "--yes", "--skip-preview")
    (orphan,) = eventually(lambda: clusters_in(world), "the cluster is being made", within_s=120)
    os.kill(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    stack.run("cancel", "--yes")
    completed = stack.up()
    assert completed.returncode == 0, completed.stdout
    assert "gke-cluster-control-plane, interrupted while creating" in completed.stdout
    with world.memory.resources() as resources:
        assert resources[orphan]["inputs"]["resourceLabels"]["shapebench-stack"] == stack.name


def test_what_it_left_behind_keeps_its_network_and_is_named_until_it_is_removed(stack: Stack, world: World):
    failed = stack.run("destroy", "--yes", "--skip-preview")
    assert failed.returncode != 0
    (orphan,) = clusters_in(world)
    assert f"already being used by '{orphan.partition('::')[2]}'" in failed.stdout
    with world.memory.resources() as resources:
        del resources[orphan]
    stack.must("destroy", "--yes", "--skip-preview")
    must_be_gone(stack, world)
