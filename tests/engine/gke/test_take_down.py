"""`tools/take_down` after a `kill -9`: nothing that costs money is left, not even what no state knows."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import PROJECT, World
from tests.engine.harness import CHECKOUT, Stack, eventually


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-16gb")


def checkout(stack: Stack) -> Path:
    """This checkout with the stack's own file in it, into which the engine writes a salt."""
    folder = stack.home / "checkout"
    (folder / "stacks").mkdir(parents=True)
    for child in CHECKOUT.iterdir():
        if child.name not in {"stacks", ".git", ".state"}:
            (folder / child.name).symlink_to(child)
    (folder / f"stacks/Pulumi.{stack.name}.yaml").write_text(stack.config_file.read_text())
    return folder


def test_a_cluster_that_a_killed_update_was_making_is_removed_with_all_else(stack: Stack, world: World):
    world.memory.expect(Fault("slow", "Cluster::gke-cluster-control-plane", seconds=20))
    update = stack.start("up", "--yes", "--skip-preview")
    eventually(lambda: any("cluster:Cluster" in key for key in world.google()), "the cluster is being made", 120)
    os.kill(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    done = subprocess.run(
        ["tools/take_down", stack.name],
        cwd=checkout(stack),
        env=stack.environment | world.endpoints | {"GOOGLE_PROJECT": PROJECT, "TAKE_DOWN_PAUSE_S": "5"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # GKE deletes no cluster that it still makes.
    assert "not removed: cluster gke-cluster-control-plane-" in done.stderr
    assert world.google() == []
    assert stack.resources() == []
