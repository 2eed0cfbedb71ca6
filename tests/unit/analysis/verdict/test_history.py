import pytest

from analysis.verdict.history import read_history
from analysis.verdict.latest import SearchReader
from stacks.load.load_profiles import PROFILES
from tests.unit.analysis.verdict.conftest import measure


def read(store, most=5):
    return read_history(SearchReader(store), store.scan().manifests, most)[0]


def test_each_commit_has_the_figure_of_its_own_runs_the_newest_first(store):
    measure(store, 90, 1, git_commit="a" * 40)
    for number in (2, 3):
        measure(store, 60, number, git_commit="b" * 40)
    measure(store, 30, 4, git_commit="c" * 40, stack="2cpu-4gb")
    history = read(store)
    assert {stack: [each.newest.git_commit[0] for each in found] for stack, found in history.items()} == {
        "8cpu-16gb": ["b", "a"],
        "2cpu-4gb": ["c"],
    }
    newest, first = history["8cpu-16gb"]
    assert newest.capacity.rps.value == pytest.approx(60, rel=0.08)
    assert first.capacity.rps.value == pytest.approx(90, rel=0.08)
    assert (newest.capacity.deployments, first.capacity.deployments) == (2, 1)
    assert newest.to_dict()["commit"] == "b" * 40


def test_a_commit_that_is_measured_again_is_the_newest_and_older_ones_are_left_out(store):
    for number, commit in enumerate("abca"):
        measure(store, 60, number, git_commit=commit * 40)
    assert [each.newest.git_commit[0] for each in read(store, most=2)["8cpu-16gb"]] == ["a", "c"]


def test_all_commits_are_shown_at_the_objective_of_the_newest_search(store):
    other = PROFILES["capacity"].model_copy(update={"latency_ms": 900})
    measure(store, 60, 1, git_commit="a" * 40, load=other)
    measure(store, 60, 2, git_commit="b" * 40)
    assert [each.objective.latency_ms for each in read(store)["8cpu-16gb"]] == [500, 500]


def test_runs_outside_a_checkout_are_of_one_unknown_commit(store):
    measure(store, 60, 1, git_commit=None)
    measure(store, 60, 2, git_commit=None)
    [found] = read(store)["8cpu-16gb"]
    assert (found.newest.git_commit, found.capacity.runs) == (None, 2)


def test_a_search_of_an_earlier_commit_whose_rows_are_damaged_is_named(store, tmp_path):
    measure(store, 60, 1, git_commit="a" * 40)
    measure(store, 60, 2, git_commit="b" * 40)
    first = min(store.scan().manifests, key=lambda run: run.run_id)
    for part in (tmp_path / "results").rglob(f"*{first.run_id}*/*.parquet"):
        part.write_bytes(b"damaged")
    history, excluded = read_history(SearchReader(store), store.scan().manifests, 5)
    assert [each.newest.git_commit[0] for each in history["8cpu-16gb"]] == ["b"]
    assert [run.run_id for run, _ in excluded] == [first.run_id]
