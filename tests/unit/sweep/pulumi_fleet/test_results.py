"""The runs of a sweep in the results store."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from analysis.results.manifest import Validity
from analysis.results.store import ResultsStore
from bench.stores.synthetic import STARTED_AT, make_manifest, make_search, write_run
from stacks.files import load_config
from stacks.load_profiles import CapacitySearch
from stacks.serving_variant import ServingSettings
from sweep.candidates import Candidate
from sweep.fleet import FleetError
from sweep.pulumi_fleet.results import disturbed_runs, lost, measured, run_since
from sweep.pulumi_fleet.stack_file import config_for, settings_in
from sweep.tasks import Length, Measure, Measured

STACK = "8cpu-16gb"
LOAD = make_search(30.0)[0].load
INVALID = Validity(verdict="invalid", reasons=("the generator was saturated",))


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    return ResultsStore(str(tmp_path))


def settings(inter_op: int = 4, load: CapacitySearch = LOAD):
    serving = ServingSettings(protocol="rest", inter_op=inter_op)
    task = Measure(Candidate(label="c", stack=STACK, serving=serving, server=None, load=load), 1, Length.full)
    return settings_in(config_for(task, load_config(STACK), "s block 1", "results", None))


def test_a_run_says_what_its_search_found(store: ResultsStore) -> None:
    manifest = write_run(store, *make_search(30.0, stack=STACK))
    found = measured(store, STACK, manifest.run_id, LOAD)
    assert found.run_id == manifest.run_id
    assert found.value_rps
    assert found.low_rps < 30.0 < found.high_rps
    assert 0.8 * 30 < found.value_rps < 1.25 * 30


def test_an_invalid_run_is_an_error_with_its_reasons(store: ResultsStore) -> None:
    manifest = write_run(store, *make_search(30.0, stack=STACK, validity=INVALID))
    with pytest.raises(FleetError, match="the generator was saturated"):
        measured(store, STACK, manifest.run_id, LOAD)


def test_a_run_that_is_not_in_the_store_is_an_error(store: ResultsStore) -> None:
    with pytest.raises(FleetError, match="cannot be read from the results store"):
        measured(store, STACK, make_manifest(LOAD).run_id, LOAD)


def test_runs_that_were_refused_because_of_other_programs_are_counted_from_the_sweeps_begin_on(
    store: ResultsStore,
) -> None:
    disturbed = Validity(verdict="invalid", reasons=("the run was disturbed: other programs used 1.5 of 2 cores",))
    for validity, stack in ((disturbed, STACK), (disturbed, STACK), (INVALID, STACK), (disturbed, "2cpu-4gb")):
        store.write_manifest(make_manifest(LOAD, stack, validity=validity))
    assert disturbed_runs(store, [STACK], STARTED_AT) == 2
    assert disturbed_runs(store, [STACK], STARTED_AT + timedelta(seconds=1)) == 0


def test_the_run_of_a_task_is_the_one_that_was_not_there_before(store: ResultsStore) -> None:
    before, run = make_manifest(LOAD), make_manifest(LOAD)
    store.write_manifest(before)
    assert store.run_ids(STACK) == [before.run_id]
    assert run_since(store, STACK, [before.run_id], settings()) is None
    store.write_manifest(run)
    assert run_since(store, STACK, [before.run_id], settings()) == run.run_id


def test_a_run_of_the_task_is_found_whatever_the_clock_says(store: ResultsStore) -> None:
    """Its id and its times are from before those of the runs that were there."""
    early, late = sorted(make_manifest(LOAD).run_id for _ in range(2))
    store.write_manifest(make_manifest(LOAD, run_id=late))
    store.write_manifest(make_manifest(LOAD, run_id=early))
    assert run_since(store, STACK, [late], settings()) == early


def test_a_run_of_another_candidate_is_not_the_run_of_the_task(store: ResultsStore) -> None:
    store.write_manifest(make_manifest(LOAD))
    assert run_since(store, STACK, [], settings(inter_op=2)) is None
    assert run_since(store, STACK, [], settings(load=LOAD.model_copy(update={"precision": 0.33}))) is None


def test_an_invalid_run_is_not_the_run_of_the_task(store: ResultsStore) -> None:
    store.write_manifest(make_manifest(LOAD, validity=INVALID))
    assert run_since(store, STACK, [], settings()) is None


def task() -> Measure:
    serving = ServingSettings(protocol="rest", inter_op=4)
    return Measure(Candidate(label="c", stack=STACK, serving=serving, server=None, load=LOAD), 1, Length.full)


@pytest.fixture
def recorded(store: ResultsStore) -> Measured:
    """A run as the journal has it."""
    manifest = write_run(store, *make_search(30.0, stack=STACK))
    return measured(store, STACK, manifest.run_id, LOAD)


def test_a_run_that_is_in_the_store_as_it_was_recorded_counts(store: ResultsStore, recorded: Measured) -> None:
    assert lost(store, task(), recorded) == ""
    assert recorded.value_rps
    rounded = replace(recorded, value_rps=recorded.value_rps * (1 + 1e-12))
    assert lost(store, task(), rounded) == ""


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


@pytest.mark.parametrize("change", [{"value_rps": 20.0}, {"value_rps": None}, {"low_rps": 0.0}, {"high_rps": 90.0}])
def test_a_run_with_other_figures_than_recorded_does_not_count(
    store: ResultsStore, recorded: Measured, change: dict[str, float | None]
) -> None:
    why = lost(store, task(), replace(recorded, **change))  # type: ignore[arg-type]
    assert f"run {recorded.run_id} of {STACK} has a capacity of" in why
