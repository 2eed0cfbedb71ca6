"""Options that several commands have: the results store, numbers, folders that are written."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from shapebench.cli import app
from shapebench.options import default_store
from stacks.load.load_profiles import PROFILES
from tools.pins import ROOT


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("command", "option"), [("plan", "--rps"), ("sweep", "--max-usd"), ("sweep", "--max-hours")], ids=str
)
@pytest.mark.parametrize(("text", "written"), [("2,000", "2000"), ("1'000'000.5", "1000000.5"), ("many", "2000")])
def test_a_number_with_separators_is_answered_with_how_to_write_it(command: str, option: str, text: str, written: str):
    result = invoke(command, option, text)
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert f"'{text}' is not a number; write it without separators or units, such as {written}" in said
    assert "nput should be" not in said


def test_a_budget_with_separators_is_answered_with_how_to_write_it(tmp_path: Path):
    result = invoke("verdict", "--results", str(tmp_path), "--budget", "2,000")
    assert result.exit_code == 1
    assert "without separators, such as 1200" in result.stderr


@pytest.mark.parametrize(
    ("below", "expected"), [("", "results"), ("docs", "../results"), ("docs/adr", "../../results")]
)
def test_the_default_store_is_the_checkouts_from_any_folder_in_it(
    monkeypatch: pytest.MonkeyPatch, below: str, expected: str
):
    monkeypatch.chdir(ROOT / below)
    assert default_store() == expected
    assert Path(default_store()).resolve() == ROOT / "results"


def test_the_default_store_outside_the_checkout_is_the_working_folders(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert default_store() == "results"


@pytest.mark.parametrize("command", ["runs", "show", "report", "export", "latest", "verdict"])
def test_a_command_without_a_store_reads_the_default_one_and_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shapebench.options.default_store", lambda: "../of-the-checkout")
    result = invoke(command)
    assert "../of-the-checkout" in result.stdout + result.stderr


def test_a_store_that_is_given_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(ROOT / "docs")
    assert "the results store 'results' does not exist" in invoke("show", "--results", "results").stderr


@pytest.mark.parametrize("command", ["report", "export"])
@pytest.mark.parametrize(("out", "why"), [("file", "is not a folder"), ("file/below", "is not a folder")])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, out: str, why: str
):
    (tmp_path / "file").touch()
    if (command, out) == ("export", "file"):
        why = "exists"

    def read(*_: object) -> None:
        raise AssertionError("the runs were read first")

    monkeypatch.setattr("shapebench.commands.results.report.collect", read)
    result = invoke(command, "--out", str(tmp_path / out))
    assert result.exit_code == 1
    assert why in result.stderr, result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["plan", "--rps", "2,000"],
            "'--rps': '2,000' is not a number; write it without separators or units, such as 2000",
        ),
        (
            ["plan", "--rps", "fast"],
            "'--rps': 'fast' is not a number; write it without separators or units, such as 2000",
        ),
        (["plan", "--rps", "50", "--zones", "1.5"], "'--zones': '1.5' is not a whole number"),
        (
            ["plan", "--rps", "50", "--clients", "1,000"],
            "'--clients': '1,000' is not a number; write it without separators or units, such as 1000",
        ),
        (
            ["sweep", "--stack", "local", "--blocks", "two"],
            "'--blocks': 'two' is not a number; write it without separators or units, such as 2000",
        ),
        (
            ["sweep", "--stack", "local", "--max-usd", "5 USD"],
            "'--max-usd': '5 USD' is not a number; write it without separators or units, such as 2000",
        ),
    ],
)
def test_a_wrong_number_is_explained_in_plain_words(command: list[str], said: str) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: Invalid value for {said}"


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path / "results"))
    write_run(
        store, make_manifest(PROFILES["smoke"]), make_rows(PROFILES["smoke"], Server(capacity_rps=30, service_ms=20))
    )
    done = CliRunner().invoke(app, ["report", "--results", store.uri, "--out", "/proc/report"])
    assert done.exit_code == 1
    assert (
        "/proc/report cannot be used (No such file or directory); give another path, or correct its perm" in done.stderr
    )
