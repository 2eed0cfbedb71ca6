"""What goes wrong in Google Cloud or on the way to it ends in a clear error, and the next command completes it."""

import os
import signal
import time

import pytest

from google_cloud.interrupted_update import interrupted_names
from provider.cluster.load_job import GENERATOR
from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import NAMESPACE, World, contents
from tests.engine.harness import LONG, SMOKE, Stack, eventually

SECOND_POOL = "NodePool::gke-cluster-serving"
CLUSTER = "Cluster::gke-cluster-control-plane"


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-16gb")


def must_be_gone(stack: Stack, world: World) -> None:
    assert stack.resources() == []
    assert world.google() == []
    eventually(lambda: not any(NAMESPACE in content for content in contents(world.api)), "the namespace is gone")


def clusters_in(world: World) -> list[str]:
    return [key for key in world.google() if "cluster:Cluster" in key]


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


def test_a_generator_that_is_killed_fails_the_update_and_the_next_one_measures_again_even_the_load_before_it(
    stack: Stack, world: World
):
    stack.config["load"] = LONG
    update = stack.start("up", "--yes", "--skip-preview")
    world.generator_at_work().kill(GENERATOR)
    said, _ = update.communicate(timeout=120)
    assert update.returncode != 0
    assert "the load generator crashed (SIGKILL, OOMKilled)" in said
    runs = stack.runs()
    assert runs[-1].validity.verdict == "invalid"
    stack.config["load"] = SMOKE
    stack.must_up()
    assert stack.runs()[-1].run_id != runs[-1].run_id
    assert stack.runs()[-1].validity.reasons == ()


def test_a_run_outlives_a_connection_that_is_cut_for_twenty_seconds(stack: Stack, world: World):
    stack.config["load"] = SMOKE | {"durationS": 20}
    runs = len(stack.runs())
    update = stack.start("up", "--yes", "--skip-preview")
    world.generator_at_work()
    world.control_plane.stop_api_server()
    try:
        time.sleep(20)
    finally:
        world.control_plane.restart_api_server()
    said, _ = update.communicate(timeout=180)
    assert update.returncode == 0, said
    assert len(stack.runs()) == runs + 1
    assert stack.runs()[-1].validity.reasons == ()
    stack.config["load"] = SMOKE


def test_a_destroy_needs_no_api_server_for_the_cluster_takes_along_what_is_in_it(stack: Stack, world: World):
    world.control_plane.stop_api_server()
    try:
        stack.must("destroy", "--yes", "--skip-preview")
    finally:
        world.control_plane.restart_api_server()
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


def test_a_stack_whose_cluster_is_gone_already_is_destroyed_like_any_other(stack: Stack, world: World):
    world.control_plane.stop_api_server()
    try:
        with world.memory.resources() as resources:
            for key in [key for key in resources if key.startswith("gcp:container/")]:
                del resources[key]
        stack.must("destroy", "--yes", "--skip-preview")
    finally:
        world.control_plane.restart_api_server()
    must_be_gone(stack, world)


def test_a_cluster_that_a_killed_engine_was_making_is_spoken_of_and_found_by_the_state_and_its_label(
    stack: Stack, world: World
):
    world.memory.expect(Fault("slow", CLUSTER, seconds=8))
    update = stack.start("up", "--yes", "--skip-preview")
    (orphan,) = eventually(lambda: clusters_in(world), "the cluster is being made", within_s=120)
    os.kill(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    stack.run("cancel", "--yes")
    assert orphan.rpartition("/")[2] in interrupted_names(stack.must("stack", "export"), stack.name)
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
