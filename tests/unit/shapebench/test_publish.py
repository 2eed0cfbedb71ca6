"""`shapebench publish`: what it writes can be read as its page says, and what it leaves out is said."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis.results.schema.manifest import Validity
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_search, write_run
from shapebench.cli import app

RUN, OTHER, DIED, DIRTY = (f"01KAAAAAAA{number:016}" for number in range(1, 5))
LOCAL = {"platform": "local", "stack": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}


def write(store: ResultsStore, run_id: str, rps: float = 60, **changes: object) -> None:
    write_run(store, *make_search(rps, 1, 3200, run_id=run_id, **changes))


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    """A store of which two runs can be published."""
    store = ResultsStore(str(tmp_path / "results"))
    write(store, RUN)
    write(store, OTHER, stack="4cpu-8gb", machine_type="e2-custom-4-8192", nodes=4)
    write(store, DIED, validity=Validity(verdict="invalid", reasons=("the server died",)))
    write(store, DIRTY, git_commit="0123456789abcdef0123456789abcdef01234567-dirty")
    return store


def publish(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("publish", *arguments))


def test_it_says_what_it_wrote_what_it_left_out_and_what_to_look_at(store: ResultsStore, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    answer = publish("--results", store.uri, "--to", str(folder))
    assert answer.exit_code == 0, answer.output
    assert [line.partition(":")[0] for line in answer.stderr.splitlines()] == ["left out", "left out"]
    assert f"left out: {DIED} of {store.uri}: the server died\n" in answer.stderr
    assert f"left out: {DIRTY} of" in answer.stderr
    said = answer.stdout
    assert f"{folder} has 2 runs of 2 stacks and the page {folder / 'README.md'}" in said
    assert "Nothing was sent anywhere." in said
    assert "Left out: 1 invalid, 1 of a checkout with changes." in said
    assert said.splitlines()[-1].startswith("Before you make it public, read the page")
    assert "the stacks 4cpu-8gb, 8cpu-16gb; the models resnet;" in said


def test_the_commands_on_the_page_read_the_folder(
    store: ResultsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("--results", store.uri, "--to", str(tmp_path / "published"))
    monkeypatch.chdir(tmp_path / "published")
    page = Path("README.md").read_text()
    commands = re.findall(r"^shapebench (.*--results .*)$", page, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["verdict", "runs"]
    for command in commands:
        answer = CliRunner().invoke(app, shlex.split(command))
        assert answer.exit_code == 0, answer.output
        assert answer.stderr == ""


def test_other_readers_read_the_folder(store: ResultsStore, tmp_path: Path) -> None:
    publish("--results", store.uri, "--to", str(tmp_path / "published"))
    for command in (("show", RUN), ("compare", RUN, OTHER), ("report", "--out", str(tmp_path / "report"))):
        answer = CliRunner().invoke(app, (*command, "--results", str(tmp_path / "published")))
        assert answer.exit_code == 0, answer.output
        assert answer.stderr == ""


def test_several_stores_make_one_folder_and_json_has_all(store: ResultsStore, tmp_path: Path) -> None:
    other = ResultsStore(str(tmp_path / "other"))
    third = f"01KAAAAAAA{9:016}"
    write(other, third)
    answer = publish("--results", store.uri, "--results", other.uri, "--to", str(tmp_path / "published"), "--json")
    found = json.loads(answer.stdout)
    assert (found["runs"], found["rehearsal"]) == ([RUN, OTHER, third], False)
    assert [(each["what"], each["why"]) for each in found["left_out"]] == [
        (DIED, "invalid"),
        (DIRTY, "of a checkout with changes"),
    ]


def test_without_a_store_it_publishes_the_checkouts_own(
    store: ResultsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shapebench.cli.default_store", lambda: store.uri)
    assert publish("--to", str(tmp_path / "published")).exit_code == 0
    assert len(ResultsStore(str(tmp_path / "published")).scan().manifests) == 2


def test_a_rehearsal_is_said_and_has_its_exit_code(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path / "results"))
    write(store, RUN, 20, **LOCAL)
    answer = publish("--results", store.uri, "--to", str(tmp_path / "published"))
    assert answer.exit_code == 5
    assert answer.stdout.startswith("A rehearsal on one machine, not a verdict about shapes.\n")


def test_without_a_run_to_publish_there_is_one_error_and_no_folder(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path / "results"))
    write(store, DIED, validity=Validity(verdict="invalid", reasons=("the server died",)))
    answer = publish("--results", store.uri, "--to", str(tmp_path / "published"))
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1] == (
        f"shapebench: no run in {store.uri} can be published, so nothing was written; publish valid runs of a commit"
        " without changes"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("limits", "says"),
    [((), "2 objectives, so one must be chosen; give one: --p99 300ms --errors 0.1%"), (("--p99", "500ms"), None)],
)
def test_the_objective_is_that_of_the_searches_or_is_asked_for(tmp_path: Path, limits, says) -> None:
    store = ResultsStore(str(tmp_path / "results"))
    write(store, RUN)
    searched, rows = make_search(60, 1, 3200, run_id=OTHER)
    load = searched.load.model_copy(update={"latency_ms": 300.0})
    write_run(store, searched.model_copy(update={"load": load}), rows)
    answer = publish("--results", store.uri, "--to", str(tmp_path / "published"), *limits)
    assert (says or "") in answer.stderr
    assert answer.exit_code == (1 if says else 0)
    assert (tmp_path / "published").exists() == (says is None)


@pytest.mark.parametrize("there", ["a folder", "a file"])
def test_what_exists_is_not_overwritten(store: ResultsStore, tmp_path: Path, there: str) -> None:
    target = tmp_path / "published"
    target.mkdir() if there == "a folder" else target.write_text("mine")
    answer = publish("--results", store.uri, "--to", str(target))
    assert answer.exit_code == 1
    assert f"shapebench: {target} exists, and nothing in it is overwritten" in answer.stderr
