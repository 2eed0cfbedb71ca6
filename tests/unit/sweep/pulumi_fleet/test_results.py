"""The runs of a sweep in the results store."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.results.schema.manifest import Key, Replica, Validity
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_manifest, make_search, write_run
from stacks.server.serving_variant import ServingSettings
from stacks.sweep_place import SweepPlace
from sweep.candidates import Candidate
from sweep.fleet import FleetError
from sweep.pulumi_fleet.results import disturbed_runs, lost, measured, run_of
from sweep.tasks import DrawnCpus, Length, Measure, Measured

STACK, SWEEP = "8cpu-16gb", "20261130-020000"
LOAD = make_search(30.0)[0].load
INVALID = Validity(verdict="invalid", reasons=("the generator was saturated",))


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    return ResultsStore(str(tmp_path))


def test_a_run_says_what_its_search_found(store: ResultsStore) -> None:
    manifest = write_run(store, *make_search(30.0, stack=STACK))
    found = measured(store, STACK, manifest.run_id, LOAD)
    assert found.run_id == manifest.run_id
    assert found.rps.value
    assert found.rps.low < 30.0 < found.rps.high
    assert 0.8 * 30 < found.rps.value < 1.25 * 30


def on_nodes(cpus: Sequence[str | None], machine_type: str = "e2-custom-8-16384") -> dict[str, Any]:
    """What a manifest says of a run on nodes with these CPU models."""
    replicas = tuple(Replica(name=f"pod-{at}", node=f"node-{at}", cpu_model=cpu) for at, cpu in enumerate(cpus))
    return {"platform": "gke", "replicas": replicas, "machine_type": machine_type, "nodes": len(cpus)}


def test_a_run_says_which_cpus_its_nodes_got_by_chance(store: ResultsStore) -> None:
    said = []
    for cpus in (["EPYC", "Xeon", "EPYC", "EPYC"], ["EPYC", None]):
        manifest = write_run(store, *make_search(30.0, stack=STACK, **on_nodes(cpus)))
        said.append(measured(store, STACK, manifest.run_id, LOAD).drawn)
    nodes = (("node-0", "EPYC"), ("node-1", "Xeon"), ("node-2", "EPYC"), ("node-3", "EPYC"))
    assert said == [DrawnCpus("E2 in us-central1", 2, nodes), None]


def test_a_run_whose_nodes_have_other_cpus_than_were_recorded_is_lost(store: ResultsStore) -> None:
    manifest = write_run(store, *make_search(30.0, stack=STACK, **on_nodes(["EPYC"] * 2)))
    found = measured(store, STACK, manifest.run_id, LOAD)
    assert not lost(store, task(), found)
    other = replace(found, drawn=DrawnCpus("E2 in us-central1", 2, (("node-0", "EPYC"), ("node-1", "Xeon"))))
    assert "the CPU models of the nodes of run" in lost(store, task(), other)


def test_an_invalid_run_is_an_error_with_its_reasons(store: ResultsStore) -> None:
    manifest = write_run(store, *make_search(30.0, stack=STACK, validity=INVALID))
    with pytest.raises(FleetError, match="the generator was saturated"):
        measured(store, STACK, manifest.run_id, LOAD)


def test_a_run_that_is_not_in_the_store_is_an_error(store: ResultsStore) -> None:
    with pytest.raises(FleetError, match="cannot be read from the results store"):
        measured(store, STACK, make_manifest(LOAD).run_id, LOAD)


def test_runs_of_a_sweep_that_were_refused_because_of_other_programs_are_counted(store: ResultsStore) -> None:
    disturbed = Validity(verdict="invalid", reasons=("the run was disturbed: other programs used 1.5 of 2 cores",))
    for validity, sweep_id in (
        (disturbed, SWEEP),
        (disturbed, SWEEP),
        (INVALID, SWEEP),
        (disturbed, "20261129-000000"),
    ):
        store.write_manifest(make_manifest(LOAD, STACK, validity=validity, key=key(sweep_id=sweep_id)))
    store.write_manifest(make_manifest(LOAD, STACK, validity=disturbed))
    assert disturbed_runs(store, SWEEP) == 2


def task(block: int = 1, inter_op: int = 4) -> Measure:
    serving = ServingSettings(protocol="rest", inter_op=inter_op)
    return Measure(Candidate(label="c", stack=STACK, serving=serving, server=None, load=LOAD), block, Length.full)


def key(of: Measure | None = None, sweep_id: str = SWEEP) -> Key:
    of = of or task()
    place = SweepPlace(sweep=sweep_id, block=of.block, candidate=of.candidate.key)
    return Key(rerun=place.rerun, **place.model_dump())


def test_the_run_of_a_task_is_the_one_that_names_it(store: ResultsStore) -> None:
    for other in (None, key(task(block=2)), key(task(inter_op=2)), key(sweep_id="20261129-000000"), Key(rerun="again")):
        store.write_manifest(make_manifest(LOAD, STACK, key=other))
    assert run_of(store, task(), SWEEP) is None
    run = make_manifest(LOAD, STACK, key=key())
    store.write_manifest(run)
    assert run_of(store, task(), SWEEP) == run.run_id


def test_an_invalid_run_is_not_the_run_of_the_task(store: ResultsStore) -> None:
    store.write_manifest(make_manifest(LOAD, STACK, validity=INVALID, key=key()))
    assert run_of(store, task(), SWEEP) is None


@pytest.fixture
def recorded(store: ResultsStore) -> Measured:
    """A run as the journal has it."""
    manifest = write_run(store, *make_search(30.0, stack=STACK))
    return measured(store, STACK, manifest.run_id, LOAD)


def test_a_run_that_is_in_the_store_as_it_was_recorded_counts(store: ResultsStore, recorded: Measured) -> None:
    assert lost(store, task(), recorded) == ""
    assert recorded.rps.value
    rounded = replace(recorded, rps=replace(recorded.rps, value=recorded.rps.value * (1 + 1e-12)))
    assert lost(store, task(), rounded) == ""


def test_a_run_with_other_requests_than_recorded_does_not_count(store: ResultsStore, recorded: Measured) -> None:
    assert recorded.instances == 1
    why = lost(store, task(), replace(recorded, instances=4))
    assert f"a request of run {recorded.run_id} of {STACK} has 1 instances" in why
    assert why.endswith("and 4 was recorded")


def test_a_run_that_was_deleted_from_the_store_does_not_count(
    store: ResultsStore, recorded: Measured, tmp_path: Path
) -> None:
    for path in tmp_path.rglob(f"*{recorded.run_id}*.json"):
        path.unlink()
    assert "is not in the results store" in lost(store, task(), recorded)


def test_a_run_whose_rows_are_damaged_does_not_count(store: ResultsStore, recorded: Measured, tmp_path: Path) -> None:
    for path in tmp_path.rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    assert lost(store, task(), recorded)


@pytest.mark.parametrize("change", [{"value": 20.0}, {"value": None}, {"low": 0.0}, {"high": 90.0}])
def test_a_run_with_other_figures_than_recorded_does_not_count(
    store: ResultsStore, recorded: Measured, change: dict[str, float | None]
) -> None:
    why = lost(store, task(), replace(recorded, rps=replace(recorded.rps, **change)))  # type: ignore[arg-type]
    assert f"run {recorded.run_id} of {STACK} has a capacity of" in why
