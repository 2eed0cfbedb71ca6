from analysis.results.schema.manifest import Replica
from analysis.verdict.machines import machine_sets
from tests.unit.analysis.verdict.conftest import manifest


def on(*nodes, **changes):
    return manifest().model_copy(
        update={"replicas": tuple(Replica(name=f"pod-{at}", node=node) for at, node in enumerate(nodes)), **changes}
    )


def sets_of(*runs):
    """The runs that share a set, by their places."""
    named = [
        run.model_copy(update={"run_id": f"{place:026d}", "platform": run.platform}) for place, run in enumerate(runs)
    ]
    found = machine_sets(named)
    return {frozenset(at for at, each in enumerate(named) if found[each.run_id] == name) for name in found.values()}


def test_runs_on_the_same_nodes_share_a_set_and_runs_on_others_do_not():
    first, again, other = on("a", "b"), on("b", "a"), on("c", "d")
    assert sets_of(first, other, again) == {frozenset({0, 2}), frozenset({1})}


def test_runs_share_a_set_by_way_of_a_run_that_has_nodes_of_both():
    assert sets_of(on("a"), on("c"), on("b", "c"), on("a", "b")) == {frozenset(range(4))}


def test_all_runs_of_this_machine_share_it_whatever_they_name_it():
    assert len(sets_of(on("laptop", platform="local"), on("desktop", platform="local"))) == 1


def test_a_run_that_names_no_node_has_those_of_its_stack():
    here, same, other = on(None), on(None), on(None, stack="4cpu-8gb")
    assert sets_of(here, same, other) == {frozenset({0, 1}), frozenset({2})}


def of(machine, **changes):
    return manifest().model_copy(update={"replicas": (Replica(name="pod", node="node", machine=machine),), **changes})


def test_a_machine_that_replaces_one_of_its_name_is_another():
    assert sets_of(of("one"), of("other"), of("one")) == {frozenset({0, 2}), frozenset({1})}


def test_a_node_whose_machine_is_not_known_may_be_any_of_its_name():
    assert sets_of(of("one"), of(None), on("node")) == {frozenset({0, 1, 2})}
    assert sets_of(of("one"), of("other"), of(None)) == {frozenset({0, 1, 2})}
