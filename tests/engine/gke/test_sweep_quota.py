"""Sweeps of two GKE stacks whose project has CPUs for one of them, and for two.

One more sweep finds quota for both, and one of its stacks is refused it all the same.
"""

from collections.abc import Iterator

import pytest

from provider.cluster.load_job import GENERATOR
from sweep.journal.records import Result
from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import World
from tests.engine.harness import Stack, eventually
from tests.engine.sweep.sweeping import NO_CHEAPEST, Sweeps, sweeps_of_shapes

SHAPES = {"8cpu-16gb": ("e2-custom-8-16384", 2), "4cpu-8gb": ("e2-custom-4-8192", 4)}
# Two nodes of 8 vCPUs or four of 4, and a load node of 4: quota for E2 is that of all CPUs of the region.
CPUS_A_STACK = 20
CLUSTER = "gcp:container/cluster:Cluster"


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-16gb")


@pytest.fixture(scope="module")
def sweeps(stack: Stack) -> Iterator[Sweeps]:
    with sweeps_of_shapes(stack, SHAPES) as sweeps:
        yield sweeps


def most_at_once(operations: list[dict[str, str]]) -> int:
    """The most clusters at once, each from the beginning of its creation to that of its deletion."""
    up, most = 0, 0
    for operation in operations:
        if f"${CLUSTER}::" in operation.get("urn", ""):
            up += {"create": 1, "delete": -1}.get(operation["operation"], 0)
            most = max(most, up)
    return most


def clusters_made(operations: list[dict[str, str]]) -> list[str]:
    """The stack of each cluster that was created."""
    created = [operation["urn"] for operation in operations if operation["operation"] == "create"]
    return sorted(urn.split(":")[2] for urn in created if f"${CLUSTER}::" in urn)


def test_without_quota_for_both_each_stack_is_made_once_and_the_second_after_the_first(
    sweeps: Sweeps, world: World
) -> None:
    world.cloud.regional["CPUS"] = (CPUS_A_STACK, 0.0)
    before = len(world.memory.operations())
    sweep = sweeps.start_new(list(SHAPES), "--yes")
    sweep.exit_code()
    assert NO_CHEAPEST in sweep.output, "both were measured, and no answer is as fast as the objective"
    during = world.memory.operations()[before:]
    assert clusters_made(during) == sorted(SHAPES)
    assert most_at_once(during) == 1
    results = [record.result for record in sweeps.records()]
    assert sorted(results) == [Result.destroyed] * 2 + [Result.measured] * 2, "none was refused"
    assert world.google() == []


def test_a_stack_that_waited_for_quota_keeps_its_cluster_after_an_invalid_run(sweeps: Sweeps, world: World) -> None:
    # With quota for one, the sweep would wait before it creates the second stack, and nothing would be refused.
    world.cloud.regional["CPUS"] = (2 * CPUS_A_STACK, 0.0)
    world.memory.expect(Fault("quota", f"${CLUSTER}::gke-cluster-control-plane"))
    before = len(world.memory.operations())
    sweep = sweeps.start_new(list(SHAPES), "--yes")
    eventually(lambda: len(clusters_made(world.memory.operations()[before:])) == 2, "both have a cluster", within_s=240)
    world.generator_at_work().kill(GENERATOR)
    sweep.exit_code()
    assert NO_CHEAPEST in sweep.output, "both were measured, and no answer is as fast as the objective"
    assert clusters_made(world.memory.operations()[before:]) == sorted(SHAPES), "each once"
    records = sweeps.records()
    (waited,) = [record.task.stack for record in records if record.result is Result.no_quota]
    attempts = [Result.no_quota, Result.destroyed, Result.failed, Result.measured, Result.destroyed]
    assert [record.result for record in records if record.task.stack == waited] == attempts
    assert [run.stack for run in sweeps.invalid_runs()] == [waited]
    assert world.google() == []


def test_with_quota_for_both_they_are_made_at_once(sweeps: Sweeps, world: World) -> None:
    world.cloud.regional["CPUS"] = (2 * CPUS_A_STACK, 0.0)
    before = len(world.memory.operations())
    sweep = sweeps.start_new(list(SHAPES), "--yes")
    eventually(lambda: most_at_once(world.memory.operations()[before:]) == 2, "both are up", within_s=120)
    # Not to its end: the clusters of the tests have one API server, where the stacks are in each other's way.
    sweep.press_ctrl_c()
    sweep.exit_code()
    assert clusters_made(world.memory.operations()[before:]) == sorted(SHAPES)
    assert world.google() == []
