import pytest

from analysis.results.schema.manifest import Validity
from analysis.statistics.read import read_figures
from analysis.verdict.at_one_load import at_one_load, cheapest
from bench.stores.synthetic import Server, make_manifest, make_rows, make_search, write_run
from stacks.load.load_profiles import ClosedLoop

LOAD = ClosedLoop(users=20, spawn_rate_per_s=20, wait_s=0.2, warmup_s=0, duration_s=61)


def add(store, capacity_rps=60.0, load=LOAD, inter_op=4, **changes):
    manifest = make_manifest(load, **changes)
    serving = manifest.serving.model_copy(update={"inter_op": inter_op})
    rows = make_rows(load, Server(capacity_rps, service_ms=20))
    return write_run(store, manifest.model_copy(update={"serving": serving}), rows)


def reproduced(store):
    return at_one_load([(run, read_figures(store, run)) for run in store.scan().manifests])


def test_the_closed_loop_of_most_variants_is_reproduced_and_nothing_else(store):
    for inter_op in (2, 4):
        add(store, 60 if inter_op == 4 else 40, inter_op=inter_op)
    add(store, load=LOAD.model_copy(update={"users": 10}))
    add(store, validity=Validity(verdict="invalid", reasons=("the server died",)))
    write_run(store, *make_search(60))
    found = reproduced(store)
    assert [each.variant.newest.serving.inter_op for each in found] == [4, 2]
    assert [each.runs for each in found] == [1, 1]
    assert [each.goodput_rps.value for each in found] == pytest.approx([60, 40], rel=0.02)
    assert cheapest(found) == (found[0].variant.label,)


def test_a_search_is_no_closed_loop(store):
    write_run(store, *make_search(60))
    assert reproduced(store) == ()


def test_repeats_are_averaged(store):
    add(store, 50)
    add(store, 60)
    [found] = reproduced(store)
    assert (found.runs, found.goodput_rps.value) == (2, pytest.approx(54.8, rel=0.02))


def test_equal_variants_are_both_the_cheapest(store):
    for inter_op in (2, 4):
        add(store, inter_op=inter_op)
    assert len(cheapest(reproduced(store))) == 2


def test_a_run_without_a_good_answer_is_no_variant(store, table, row):
    write_run(store, make_manifest(LOAD), table([row(second, ok=False) for second in range(9)]))
    assert reproduced(store) == ()
    assert cheapest(()) == ()
