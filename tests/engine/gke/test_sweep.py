"""A sweep of two GKE stacks side by side: one has no quota.

The machine goes down while the clusters are created, and the sweep is killed once more while one of them is deleted.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sweep.journal.records import Result
from sweep.tasks import Destroy, Measure
from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import World
from tests.engine.harness import Stack, eventually
from tests.engine.sweep.sweeping import NO_CHEAPEST, Process, Sweeps, sweeps_of_shapes

GOOD, FAILING = "8cpu-16gb", "4cpu-8gb"
SHAPES = {GOOD: ("e2-custom-8-16384", 2), FAILING: ("e2-custom-4-8192", 4)}
CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
# In the URNs of all stacks.
CONTROL_PLANE, SERVING_POOL = (
    f"shapebench::shapebench:gke:GkePlatform$shapebench:gke:GkeCluster${kind}::gke-cluster-{name}"
    for kind, name in ((CLUSTER, "control-plane"), (POOL, "serving"))
)


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout(GOOD)


@pytest.fixture(scope="module")
def sweeps(stack: Stack) -> Iterator[Sweeps]:
    with sweeps_of_shapes(stack, SHAPES) as sweeps:
        yield sweeps


def clusters(world: World) -> dict[str, Any]:
    """What the stand-in has of each cluster."""
    with world.memory.resources() as resources:
        return {name: resource for name, resource in resources.items() if resource["type"] == CLUSTER}


def deleted(world: World, kind: str, stack: str) -> int:
    """How many resources of this kind and stack have been deleted."""
    return sum(
        operation["operation"] == "delete" and f"${kind}::" in operation["urn"] and f":{stack}::" in operation["urn"]
        for operation in world.memory.operations()
    )


def test_with_less_than_the_dollars_of_one_run_nothing_is_made(sweeps: Sweeps, world: World):
    sweep = sweeps.start_new([GOOD, FAILING], "--max-usd", "0.01", "--yes")
    assert sweep.exit_code() == 4, sweep.output
    assert "because the sweep ended too early: --max-usd reached." in sweep.output
    assert sweeps.records() == []
    assert world.google() == []
    assert not any(operation["operation"] == "create" for operation in world.memory.operations())


@pytest.fixture(scope="module")
def cut_off(sweeps: Sweeps, world: World) -> dict[str, Any]:
    """The clusters that were being created when the machine went down."""
    world.memory.expect(Fault("slow", CONTROL_PLANE, times=2, seconds=8))
    sweep = sweeps.start_new([GOOD, FAILING], "--yes")
    eventually(lambda: len(clusters(world)) == 2, "both clusters are being created", within_s=120)
    sweep.crash()
    world.memory.expect(
        Fault("quota", f"urn:pulumi:{FAILING}::{SERVING_POOL}", times=99),
        Fault("slow", f"urn:pulumi:{GOOD}::{CONTROL_PLANE}", "delete", seconds=10),
    )
    found = clusters(world)
    # Otherwise the sweep waits a minute before it tries again: GKE deletes no cluster that it still creates.
    eventually(lambda: all(cluster["ready_at"] < time.time() for cluster in found.values()), "Google has made them")
    return found


@pytest.fixture(scope="module")
def measured(sweeps: Sweeps, world: World, cut_off: dict[str, Any]) -> dict[str, Any]:
    """The clusters when the good stack was measured. Then its cluster is deleted, and the sweep is killed meanwhile."""
    resumed = sweeps.start("--resume", "--yes")
    eventually(sweeps.valid_runs, "the good stack is measured", within_s=240)
    found = clusters(world)
    pools = deleted(world, POOL, GOOD)
    eventually(lambda: deleted(world, POOL, GOOD) > pools, "the stack is being destroyed", within_s=120)
    resumed.kill()
    return found


@pytest.fixture(scope="module")
def ended(sweeps: Sweeps, measured: dict[str, Any]) -> Process:
    resumed = sweeps.start("--resume", "--yes")
    resumed.exit_code()
    return resumed


def test_one_stack_without_quota_keeps_no_other_from_being_measured_and_both_are_destroyed(
    sweeps: Sweeps, world: World, ended: Process
):
    assert ended.exit_code() == 6, ended.output
    assert f"The stack {FAILING} failed, so its candidates were not decided:" in ended.output
    assert "Insufficient regional quota" in ended.output.partition(f"The stack {FAILING} failed")[2]
    *_, answer, took, report = ended.output.splitlines()
    assert answer == NO_CHEAPEST
    assert took.startswith("1 run of 2 candidates, of which 1 failed,")
    assert report.startswith("Report: ")
    assert world.google() == []
    (run,) = sweeps.valid_runs()
    assert run.stack == GOOD


def test_a_cluster_whose_creation_was_cut_off_is_removed_before_its_stack_is_created_again(
    cut_off: dict[str, Any], measured: dict[str, Any]
):
    assert {cluster["urn"].split(":")[2] for cluster in cut_off.values()} == {GOOD, FAILING}
    assert any(f":{GOOD}::" in cluster["urn"] for cluster in measured.values())
    assert measured.keys().isdisjoint(cut_off)


def test_the_journal_has_every_task_once_and_those_that_were_cut_off(sweeps: Sweeps, ended: Process):
    results: dict[tuple[str, type], list[Result | None]] = {}
    for record in sweeps.records():
        results.setdefault((record.task.stack, type(record.task)), []).append(record.result)
    assert results[GOOD, Measure] == [Result.cut_off, Result.measured]
    assert results[GOOD, Destroy] == [Result.cut_off, Result.destroyed]
    # Without quota beside the other stack, and at last alone.
    first, *others = results[FAILING, Measure]
    assert first is Result.cut_off
    assert len(others) >= 2
    assert {*others} == {Result.no_quota}
    assert results[FAILING, Destroy] == [Result.destroyed] * len(others)
