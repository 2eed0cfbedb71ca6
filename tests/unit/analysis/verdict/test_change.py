"""Two stores with searches of known servers, and what is said of the difference."""

import math
from datetime import timedelta

import pytest

from analysis.results.schema.manifest import Replica, Validity
from analysis.results.storage.store import ResultsStore
from analysis.statistics.best import difference_of
from analysis.statistics.estimate import student_t
from analysis.verdict.change import ChangeFinding, Side, read_changes
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import Batching

STACK = "8cpu-16gb"
SHAPES = {STACK: ("e2-custom-8-16384", 2), "2cpu-4gb": ("e2-custom-2-4096", 8)}


@pytest.fixture
def stores(tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    return ResultsStore(str(tmp_path / "before")), ResultsStore(str(tmp_path / "after"))


def measure(store, rps, stack=STACK, deployments=3, first=1, serving=None, **changes):
    """One search each on several deployments that differ a little."""
    machine_type, nodes = SHAPES[stack]
    made = make_manifest(PROFILES["capacity"], stack, machine_type, nodes)
    for seed in range(first, first + deployments):
        fields = {
            "stack": stack,
            "machine_type": machine_type,
            "nodes": nodes,
            "deployment": f"d{seed:011x}",
            "started_at": STARTED_AT + timedelta(minutes=seed),
            "serving": made.serving.model_copy(update=serving or {}),
        }
        write_run(store, *make_search(rps * (1 + 0.01 * (seed % 3)), seed, **fields | changes))


def changes_of(stores, *stacks):
    before, after = (Side(store, store.scan().manifests) for store in stores)
    return read_changes(before, after, stacks)


def change_of(stores, stack=STACK):
    (found,) = changes_of(stores, stack)
    return found


def test_a_change_that_doubles_the_capacity_is_improved_at_half_the_cost(stores):
    measure(stores[0], 60)
    measure(stores[1], 120, first=11, serving={"inter_op": 8})
    found = change_of(stores)
    assert found.finding is ChangeFinding.improved
    assert found.ratio.value == pytest.approx(0.5, rel=0.05)
    assert found.ratio.low < found.ratio.value < found.ratio.high < 1
    assert found.differs == ("inter_op 4 → inter_op 8",)
    assert (found.before.capacity.deployments, found.after.capacity.deployments) == (3, 3)


def test_a_change_that_halves_the_capacity_is_worse(stores):
    measure(stores[0], 60)
    measure(stores[1], 30, first=11)
    found = change_of(stores)
    assert found.finding is ChangeFinding.worse
    assert found.ratio.low > 1


def test_a_change_that_changes_nothing_cannot_be_told(stores):
    measure(stores[0], 60)
    measure(stores[1], 60, first=11)
    found = change_of(stores)
    assert found.finding is ChangeFinding.cannot_tell
    assert found.ratio.low < 1 < found.ratio.high
    assert (found.why_not, found.differs) == ((), ())


def test_one_deployment_on_each_side_does_not_tell_a_difference_of_five_percent(stores):
    measure(stores[0], 60, deployments=1)
    measure(stores[1], 63, deployments=1, first=10)
    assert change_of(stores).finding is ChangeFinding.cannot_tell


@pytest.mark.parametrize("stacks", [1, 2])
def test_the_intervals_of_all_stacks_hold_together(stores, stacks):
    for stack in list(SHAPES)[:stacks]:
        measure(stores[0], 60, stack)
        measure(stores[1], 60, stack, first=11)
    found = changes_of(stores)
    assert len(found) == stacks
    for each in found:
        difference = difference_of(each.before.capacity.mean, each.after.capacity.mean)
        half = math.log(each.ratio.high / each.ratio.value)
        assert half == pytest.approx(student_t(difference.degrees_of_freedom, stacks) * math.sqrt(difference.variance))


def test_a_change_is_not_told_from_other_nodes_that_are_faster(stores):
    """Three deployments on each side, on one node each: of machines there is one draw before, and one after."""
    nodes = [{"replicas": (Replica(name="server", node=node),)} for node in ("before", "after")]
    measure(stores[0], 60, **nodes[0])
    measure(stores[1], 69, first=11, **nodes[1])
    assert change_of(stores).finding is ChangeFinding.cannot_tell


def test_the_same_change_is_told_on_the_same_nodes(stores):
    nodes = {"replicas": (Replica(name="server", node="the same"),)}
    measure(stores[0], 60, **nodes)
    measure(stores[1], 69, first=11, **nodes)
    assert change_of(stores).finding is ChangeFinding.improved


def test_runs_on_another_cpu_cannot_be_compared_and_the_reason_is_given(stores):
    for store, model, first in ((stores[0], "Xeon A", 1), (stores[1], "Xeon B", 11)):
        measure(store, 60, first=first, replicas=(Replica(name="server", cpu_model=model),))
    found = change_of(stores)
    assert (found.finding, found.ratio) == (ChangeFinding.cannot_tell, None)
    (why,) = found.why_not
    assert why.startswith("it ran on Xeon B, so it does not compare with runs on Xeon A; run both on one CPU model")
    assert found.before.usd_per_million.value is not None


def test_of_runs_on_two_cpus_those_on_the_cpu_of_both_sides_are_compared(stores):
    one, other = ((Replica(name="server", cpu_model=model),) for model in ("Xeon A", "Xeon B"))
    measure(stores[0], 60, replicas=one)
    measure(stores[1], 120, first=11, replicas=one)
    measure(stores[1], 500, first=21, replicas=other)
    found = change_of(stores)
    assert found.finding is ChangeFinding.improved
    assert found.after.capacity.runs == 3


def test_another_server_image_is_a_change_like_another_and_is_named(stores):
    measure(stores[0], 60)
    measure(stores[1], 120, first=11, serving={"server_version": "2.21.0"})
    found = change_of(stores)
    assert found.finding is ChangeFinding.improved
    assert found.differs == ("TensorFlow Serving 2.20.0 → TensorFlow Serving 2.21.0",)


def test_prices_of_another_day_are_no_change_of_the_stack(stores):
    measure(stores[0], 60)
    cost = make_manifest(PROFILES["capacity"]).cost.model_copy(update={"prices_as_of": "2027-01-31"})
    measure(stores[1], 60, first=11, cost=cost)
    found = change_of(stores)
    assert found.finding is ChangeFinding.cannot_tell
    assert found.why_not[0].startswith("the run after the change has the prices of 2027-01-31, the run before it ")


def test_the_newest_variant_of_each_side_is_compared(stores):
    batching = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
    measure(stores[0], 600)
    measure(stores[0], 60, first=11, serving={"batching": batching})
    measure(stores[1], 120, first=21)
    found = change_of(stores)
    assert found.finding is ChangeFinding.improved
    assert found.differs == ("batches of up to 128 → no batching",)


def test_the_searches_before_are_judged_at_the_objective_after(stores):
    measure(stores[0], 60)
    measure(stores[1], 60, first=11, load=PROFILES["capacity"].model_copy(update={"latency_ms": 900}))
    found = change_of(stores)
    assert found.before.objective == found.after.objective
    assert found.before.objective.latency_ms == 900


def test_a_stack_without_a_search_before_asks_for_one(stores):
    measure(stores[1], 60)
    found = change_of(stores)
    assert found.finding is ChangeFinding.cannot_tell
    assert "has no valid capacity search of this stack, so there is nothing to compare with" in found.why_not[0]
    assert found.after.capacity.runs == 3


def test_a_stack_whose_runs_are_invalid_says_why(stores):
    measure(stores[0], 60)
    measure(stores[1], 60, first=11, validity=Validity(verdict="invalid", reasons=("a pod was restarted",)))
    found = change_of(stores)
    assert (found.finding, found.why_not, found.after) == (ChangeFinding.cannot_tell, ("a pod was restarted",), None)


def test_a_stack_whose_newest_run_is_no_search_asks_for_one(stores):
    measure(stores[0], 60)
    closed = PROFILES["smoke"]
    write_run(stores[1], make_manifest(closed, STACK, *SHAPES[STACK]), make_rows(closed, Server(60, 30)))
    (why,) = change_of(stores).why_not
    assert "is not a capacity search, so there is nothing to compare; measure it with the profile" in why


def test_a_search_without_a_price_names_the_line_item(stores):
    measure(stores[0], 60)
    cost = make_manifest(PROFILES["capacity"], STACK, *SHAPES[STACK]).cost
    item, *others = cost.line_items
    unpriced = item.model_copy(update={"hourly": None, "reason": "the price list has none"})
    cost = cost.model_copy(update={"hourly": None, "line_items": (unpriced, *others)})
    measure(stores[1], 60, deployments=1, cost=cost)
    (why,) = change_of(stores).why_not
    assert f"has no cost, so there is nothing to compare: no price is known for {item.name} in " in why
    assert why.endswith("has none that can be used; `shapebench price --refresh` gets prices for further runs")


def test_a_stack_that_was_not_measured_says_so(stores):
    measure(stores[0], 60)
    (why,) = change_of(stores).why_not
    assert why.startswith("it was not measured, so there is nothing to compare")
