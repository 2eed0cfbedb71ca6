"""A sweep of two GKE stacks side by side, one of which fails half-way."""

from pathlib import Path

import pytest

from sweep.journal.records import Result
from sweep.tasks import Measure
from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import World
from tests.engine.harness import Stack
from tests.engine.sweep.sweeping import Sweep, candidate, checkout_with

GOOD, FAILING = "8cpu-16gb", "4cpu-8gb"
POOL = (
    f"urn:pulumi:{FAILING}::shapebench::shapebench:gke:GkePlatform$shapebench:gke:GkeCluster"
    "$gcp:container/nodePool:NodePool::gke-cluster-serving"
)


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout(GOOD)


@pytest.fixture(scope="module")
def checkout(stack: Stack) -> Path:
    shapes = {GOOD: ("e2-custom-8-16384", 2), FAILING: ("e2-custom-4-8192", 4)}
    own = stack.providers_config | {f"shapebench:{key}": value for key, value in stack.config.items()}
    files = {
        name: own | {"shapebench:shape": {"machineType": machine, "nodes": nodes}}
        for name, (machine, nodes) in shapes.items()
    }
    return checkout_with(stack.home / "checkout", files)


def sweep_of(stack: Stack, checkout: Path, name: str, **changes: object) -> Sweep:
    of = [candidate(GOOD, 2), candidate(FAILING, 2)]
    return Sweep(checkout, stack.environment, of, changes, name=name)


def test_with_less_than_the_dollars_of_one_run_nothing_is_made(stack: Stack, checkout: Path, world: World):
    sweep = sweep_of(stack, checkout, "01POOR", max_usd=0.01)
    sweep.run()
    assert "ending: max_usd" in sweep.output
    assert sweep.records() == []
    assert world.google() == []
    assert not any(each["operation"] == "create" for each in world.memory.operations())


def test_one_stack_without_quota_keeps_no_other_from_being_measured_and_both_are_destroyed(
    stack: Stack, checkout: Path, world: World
):
    world.memory.expect(Fault("quota", POOL, times=99))
    sweep = sweep_of(stack, checkout, "01TWO")
    sweep.run()
    assert "ending: decided" in sweep.output
    of_stack = {
        name: [each.result for each in sweep.records() if isinstance(each.task, Measure) and each.task.stack == name]
        for name in (GOOD, FAILING)
    }
    assert of_stack[GOOD][-1] is Result.measured
    # Once beside the other stack, and once alone.
    assert of_stack[FAILING] == [Result.no_quota, Result.no_quota]
    assert "Insufficient regional quota" in sweep.output.partition("ending:")[2]
    assert "leftovers: {} may be up: {}" in sweep.output
    assert world.google() == []
    [run] = [each for each in sweep.runs() if each.validity.verdict == "valid"]
    assert run.stack == GOOD
