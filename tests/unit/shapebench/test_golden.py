"""What each command prints on a terminal of 80 and of 120 columns, compared with files.

docs/extending.md says how to renew the files after a change of output: with RENEW_GOLDEN=1 this module writes them.

The text of the verdict, with which a report begins, too, is in no file: `test_widths` covers it.
"""

import os
import shutil
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

import shapebench.output
from shapebench.cli import app
from shapebench.commands.setup.doctor import doctor
from shapebench.output import print_text
from shapebench.sweeps.answer import answer
from shapebench.sweeps.view import screen
from stacks import files
from tests.unit.shapebench.conftest import SAVED_MODEL, SHOWN_RUN
from tests.unit.shapebench.sweeps.made_up import SETTINGS, simulated

FOLDER = Path(__file__).parent / "golden"
COLUMNS = (80, 120)
HELP = {"help": ("--help",)} | {f"help-{name}": (name, "--help") for name in get_command(app).commands}
AXES = ("--stack", "2cpu-4gb", "--stack", "8cpu-16gb", "--inter-op", "2,4", "--p99", "400ms", "--max-usd", "20")
OUTPUT = {
    "runs": ("runs",),
    "show": ("show", SHOWN_RUN),
    "show-unknown": ("show", "01KB"),
    "compare": ("compare", "000002", "000006"),
    "init": ("init", "--model", SAVED_MODEL, "--platform", "gke", "--p99", "200ms", "--yes"),
    "init-unanswered": ("init", "--model", SAVED_MODEL),
    "model": ("model", SAVED_MODEL),
    "price": ("price",),
    "price-stack": ("price", "--stack", "8cpu-16gb"),
    "price-shape": ("price", "--shape", "3xe2-highmem-8"),
    "price-unknown-region": ("price", "--region", "europe-west3"),
    "sweep-plan": ("sweep", *AXES, "--plan"),
    "sweep-unknown": ("sweep", "--stack", "8cpu-16", "--inter-op", "300"),
    "plan": ("plan", "--rps", "200", "--p99", "300ms", "--zones", "3", "--headroom", "30%"),
    "day": ("day", "--peak", "200", "--night", "20", "--p99", "300ms"),
}
FILES = {
    f"{name}-{columns}.txt"
    for name in (*HELP, *OUTPUT, "doctor", "report-end", "sweep-answer", "sweep-screen")
    for columns in COLUMNS
}


@pytest.fixture(params=COLUMNS)
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: request.param)
    return request.param


def printed(arguments: tuple[str, ...], columns: int) -> str:
    # Where it is not told, click takes 2 columns less than the terminal has.
    return CliRunner().invoke(app, arguments, prog_name="shapebench", terminal_width=columns - 2).output


def compare(name: str, columns: int, text: str) -> None:
    """With the file, which is written anew if that is asked for; lines end where their text ends."""
    lines = [line.rstrip() for line in text.splitlines()]
    # A path or a digest that is longer than a line has a line of its own.
    assert [line for line in lines if len(line) > columns and len(line.split()) > 1] == []
    file, found = FOLDER / f"{name}-{columns}.txt", "\n".join(lines).strip("\n") + "\n"
    if os.environ.get("RENEW_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "renew the file if this is meant: see the top of this module"


@pytest.mark.parametrize("name", HELP)
def test_help(name: str, columns: int) -> None:
    compare(name, columns, printed(HELP[name], columns))


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stacks but those of the published experiment and the two that have no shape of their own."""
    (folder := tmp_path / "stacks").mkdir()
    for stack in ("2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb", "kubernetes", "local"):
        shutil.copy(files.stack_file(stack), folder)
    monkeypatch.setattr(files, "STACKS_DIR", folder)


@pytest.mark.parametrize("name", OUTPUT)
@pytest.mark.usefixtures("in_folder_with_store", "experiment")
def test_output(name: str, columns: int) -> None:
    compare(name, columns, printed(OUTPUT[name], columns))


@pytest.mark.usefixtures("in_folder_with_store")
def test_the_end_of_a_report(columns: int) -> None:
    answer = CliRunner().invoke(app, ("report",))
    compare("report-end", columns, answer.stdout.rpartition("\n\n")[2])


def test_doctor(columns: int, some_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(some_machine) == 0
    compare("doctor", columns, capsys.readouterr().out)


def test_the_screen_of_a_sweep(columns: int) -> None:
    console = Console(file=StringIO(), width=columns)
    console.print(screen(simulated()[0][40], SETTINGS, columns, 40))
    assert isinstance(console.file, StringIO)
    compare("sweep-screen", columns, console.file.getvalue())


def test_the_answer_of_a_sweep(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_text("\n".join(answer(simulated()[1], is_rehearsal=True, grid_usd=10)))
    compare("sweep-answer", columns, capsys.readouterr().out)


def test_every_golden_file_is_compared() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES
