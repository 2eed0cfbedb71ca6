import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from analysis.results.store import ResultsStore
from bench.stores.synthetic import STARTED_AT, make_search, write_run
from shapebench.cli import app


def invoke(*arguments):
    return CliRunner().invoke(app, ("latest", *arguments))


@pytest.fixture
def stores(tmp_path):
    """A store, and one in which the same stack has twice the capacity."""
    found = []
    for name, rps in (("main", 60), ("change", 120)):
        (tmp_path / name).mkdir()
        store = ResultsStore(str(tmp_path / name))
        for seed in (1, 2, 3):
            at = STARTED_AT + timedelta(minutes=rps + seed)
            write_run(store, *make_search(rps + seed, seed, deployment=f"d{rps + seed:011x}", finished_at=at))
        found.append(store.uri)
    return found


def test_the_latest_figures_of_a_stack_have_their_date(stores):
    result = invoke("--results", stores[0])
    assert result.exit_code == 0
    assert "8cpu-16gb · interop4" in result.stdout
    assert "2026-11-20" in result.stdout
    found = json.loads(invoke("--results", stores[0], "--json").stdout)["latest"]
    assert found["8cpu-16gb"]["runs"] == 3


def test_only_the_stacks_that_are_named_are_shown(stores):
    result = invoke("--results", stores[0], "--stack", "2cpu-4gb")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"no capacity search of 2cpu-4gb in {stores[0]} can be used" in result.stderr


def test_against_another_store_a_stack_has_improved(stores):
    result = invoke("--results", stores[1], "--against", stores[0])
    assert "improved" in result.stdout
    (change,) = json.loads(invoke("--results", stores[1], "--against", stores[0], "--json").stdout)["changes"]
    assert (change["stack"], change["finding"]) == ("8cpu-16gb", "improved")
    assert change["usd_ratio"]["high"] < 1


def test_a_stack_that_was_named_and_not_measured_is_in_the_answer_with_the_reason(stores):
    result = invoke("--results", stores[1], "--against", stores[0], "--stack", "2cpu-4gb")
    assert "cannot tell" in result.stdout
    assert "2cpu-4gb: it was not measured" in result.stderr


def test_what_was_skipped_in_either_store_is_in_the_answer(stores, tmp_path):
    (tmp_path / "main" / "runs" / "notes.txt").write_text("measured on Monday")
    found = json.loads(invoke("--results", stores[1], "--against", stores[0], "--json").stdout)
    assert found["problems"] == []
    assert [each["path"] for each in found["against"]["problems"]] == ["runs/notes.txt"]
    assert found["against"]["unfinished"] == []
