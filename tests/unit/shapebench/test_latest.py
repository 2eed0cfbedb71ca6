import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.results.storage.store import ResultsStore
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


def test_the_history_of_a_stack_has_a_row_for_each_commit(stores):
    store = ResultsStore(stores[0])
    at = STARTED_AT + timedelta(hours=5)
    write_run(store, *make_search(30, 9, deployment=f"d{9:011x}", finished_at=at, git_commit=f"{'c' * 40}-dirty"))
    result = invoke("--results", stores[0], "--history", "5")
    assert result.exit_code == 0, result.stderr
    _, history = result.stdout.split("At its last commits")
    assert "cccccccccc-dirty" in history
    found = json.loads(invoke("--results", stores[0], "--history", "5", "--json").stdout)["history"]
    newest, first = found["8cpu-16gb"]
    assert newest["commit"] == f"{'c' * 40}-dirty"
    assert newest["usd_per_million"]["value"] > 1.5 * first["usd_per_million"]["value"]
    assert (newest["runs"], first["runs"]) == (1, 3)
    only_newest = invoke("--results", stores[0], "--history", "1").stdout
    assert len(only_newest.splitlines()) == len(result.stdout.splitlines()) - 1


def test_with_a_history_the_rows_of_each_run_are_read_once(stores, monkeypatch):
    opened = []
    row_files = ResultsStore.row_files

    def counted(store, run, *more, **named):
        opened.append(run.run_id)
        return row_files(store, run, *more, **named)

    monkeypatch.setattr(ResultsStore, "row_files", counted)
    assert invoke("--results", stores[0], "--history", "5").exit_code == 0
    assert len(opened) == 3
    assert len(set(opened)) == 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--history", "-1"), "--history is -1, which is no number of commits"),
        (("--history", "2", "--against", "x"), "--history is of one store, and --against compares two"),
    ],
)
def test_a_history_that_there_is_not_is_one_error(stores, arguments, named):
    result = invoke("--results", stores[0], *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_only_the_stacks_that_are_named_are_shown(stores):
    result = invoke("--results", stores[0], "--stack", "2cpu-4gb")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"no capacity search of 2cpu-4gb in {stores[0]} can be used" in result.stderr


@pytest.mark.parametrize("against", [False, True])
def test_a_stack_that_there_is_not_is_an_error_that_lists_those_that_there_are(stores, against):
    other = ("--against", stores[1]) if against else ()
    result = invoke("--results", stores[0], *other, "--stack", "8cpu-16bg")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no stack '8cpu-16bg'" in result.stderr
    assert "8cpu-16gb" in result.stderr


def test_a_damaged_search_is_not_used_and_is_named_in_every_format(stores):
    part = min(Path(stores[0]).rglob("*.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    run_id = part.parent.name.removeprefix("run_id=")
    shown = invoke("--results", stores[0])
    assert f"not used: {run_id} of 8cpu-16gb: requests/" in shown.stderr
    assert f"skipped: requests/stack=8cpu-16gb/run_id={run_id}/part-w0.parquet" in shown.stderr
    found = json.loads(invoke("--results", stores[0], "--json").stdout)
    assert found["latest"]["8cpu-16gb"]["runs"] == 2
    assert [each["run_id"] for each in found["excluded"]] == [run_id]
    assert [each["path"] for each in found["problems"]] == [str(part.relative_to(stores[0]))]
    changes = json.loads(invoke("--results", stores[1], "--against", stores[0], "--json").stdout)
    assert [each["run_id"] for each in changes["changes"][0]["excluded"]] == [run_id]
    assert [each["path"] for each in changes["against"]["problems"]] == [str(part.relative_to(stores[0]))]


def test_what_was_measured_on_this_machine_is_marked_as_a_rehearsal(stores):
    for seed, uri in enumerate(stores):
        fields = {"stack": "local", "platform": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
        write_run(ResultsStore(uri), *make_search(20, seed, **fields))
    for arguments in (("--results", stores[0]), ("--results", stores[0], "--against", stores[1])):
        marked = [line.split("  ")[0] for line in invoke(*arguments).stdout.splitlines() if "(rehearsal)" in line]
        assert len(marked) == 1
        assert marked[0].startswith("local")
    found = json.loads(invoke("--results", stores[0], "--json").stdout)["latest"]
    assert {stack: each["rehearsal"] for stack, each in found.items()} == {"8cpu-16gb": False, "local": True}


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
