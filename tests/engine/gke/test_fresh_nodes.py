"""`gke.freshNodes`: the runs of one cluster are on other machines each time."""

from analysis.verdict.machines import machine_sets
from tests.engine.gke.world import World

CHANGES = {"create", "update", "delete"}


def test_another_rerun_has_other_serving_nodes_and_changes_nothing_else_in_google_cloud(world: World):
    stack = world.stack_of_the_checkout("8cpu-16gb")
    stack.config["gke"] = stack.config.get("gke", {}) | {"freshNodes": True}
    stack.must_up()
    stack.must("preview", "--expect-no-changes")
    before = len(world.memory.operations())
    stack.config["rerun"] = "on other machines"
    stack.must_up()
    changes = [line for line in world.memory.operations()[before:] if line["operation"] in CHANGES]
    assert [(line["operation"], line["urn"].rpartition("::")[2]) for line in changes] == [
        # Quota is seldom enough for both.
        ("delete", "gke-cluster-serving"),
        ("create", "gke-cluster-serving"),
    ]
    runs = stack.runs()
    assert [run.validity.verdict for run in runs] == ["valid", "valid"]
    assert len(set(machine_sets(runs).values())) == 2
