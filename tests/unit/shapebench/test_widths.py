"""At every width of a terminal no word of what is printed is broken, and no line is wider than the terminal.

A command computes once; what it gave to the functions that print is then printed at each width.
"""

from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

import shapebench.output
from analysis.report.tables import Column, Table
from shapebench.cli import app
from shapebench.commands.setup.doctor import doctor
from tests.unit.shapebench.conftest import SAVED_MODEL, SHOWN_RUN

COMMAND_LINE = get_command(app)
WIDTHS = range(60, 161)
PRINTING = ("print_card", "print_table", "print_text", "note")
PRINTING_MODULES = (
    *("skipped", "sweeps.command", "sweeps.plan"),
    *(
        f"commands.{name}"
        for name in (
            *("planning.day", "planning.plan", "prices.price", "results.report", "results.runs", "results.show"),
            *("results.verdict", "setup.doctor", "setup.init", "setup.model"),
        )
    ),
)
COMMANDS = {
    "runs": ("runs",),
    "show": ("show", SHOWN_RUN),
    "show an invalid run": ("show", "01KAAAAAAA0000000000000003"),
    "init": ("init", "--model", SAVED_MODEL, "--platform", "gke", "--p99", "200ms", "--yes"),
    "init without a terminal": ("init", "--model", SAVED_MODEL),
    "model": ("model", SAVED_MODEL),
    "price": ("price",),
    "price of a stack": ("price", "--stack", "8cpu-16gb"),
    "price of a shape": ("price", "--shape", "3xe2-highmem-8"),
    "plan": ("plan", "--rps", "200", "--p99", "300ms", "--zones", "3"),
    "day": ("day", "--peak", "200", "--night", "20", "--p99", "300ms", "--zones", "3"),
    "verdict": ("verdict", "--p99", "400ms", "--errors", "5%"),
    "verdict that none meets": ("verdict", "--p99", "1ms"),
    "report": ("report",),
    "plan of a sweep": ("sweep", "--stack", "8cpu-16gb", "--inter-op", "2,4", "--plan", "--max-usd", "20"),
    "unknown axis": ("sweep", "--stack", "8cpu-16gb", "--inter-op", "2,x"),
    "unknown run": ("show", "01KB"),
    "ambiguous run": ("show", "01K"),
}
# The indent of a word that is longer than a line, such as a path or a digest, and has a line of its own.
INDENT = 4
# It names the columns that were left out, each with a semicolon.
NOTE = "left out for lack of room: ; --json has all"

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The calls of the functions that print, in their order."""
    calls: list[Call] = []

    def recorder(name: str) -> Callable[..., None]:
        def record(*arguments: Any, **options: Any) -> None:
            calls.append((name, arguments, options))

        return record

    for module in PRINTING_MODULES:
        for name in PRINTING:
            monkeypatch.setattr(f"shapebench.{module}.{name}", recorder(name), raising=False)
    # Errors are printed by the one that the command line imports then.
    monkeypatch.setattr(shapebench.output, "note", recorder("note"))
    return calls


def words_of(value: Any) -> Iterator[str]:
    """Every word of the texts in the arguments of a call."""
    if isinstance(value, str):
        yield from value.split()
    elif isinstance(value, Table):
        yield from words_of([[column.title for column in value.columns], value.rows, value.totals])
    elif isinstance(value, dict):
        yield from words_of(list(value.values()))
    else:
        yield from chain.from_iterable(map(words_of, value or ()))


def known_words(given_to_print: Any) -> set[str]:
    words = {*words_of(given_to_print), *NOTE.split()}
    return words | {f"{word};" for word in words}


def broken_and_wide(text: str, words: set[str], width: int) -> list[str]:
    broken = [word for word in text.split() if word not in words]
    wide = [line for line in text.splitlines() if len(line) > width]
    return broken + [line for line in wide if len(line.split()) > 1 or len(line.strip()) + INDENT <= width]


def printed_at(width: int, calls: list[Call]) -> str:
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setattr(shapebench.output, "_terminal_width", lambda _: width)
        for name, arguments, options in calls:
            getattr(shapebench.output, name)(*arguments, **options)
    return printed.getvalue()


def check_at_every_width(calls: list[Call]) -> None:
    assert calls
    words = known_words([(arguments, options) for _, arguments, options in calls])
    for width in WIDTHS:
        assert broken_and_wide(printed_at(width, calls), words, width) == [], width


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("in_folder_with_store")
def test_no_command_breaks_a_word_at_any_width(
    name: str, recorded: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, COMMANDS[name], catch_exceptions=False)
    monkeypatch.undo()
    check_at_every_width(recorded)


def test_doctor_breaks_no_word_at_any_width(
    some_machine: Path, recorded: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor(some_machine)
    monkeypatch.undo()
    check_at_every_width(recorded)


@pytest.mark.parametrize("command", ["", *COMMAND_LINE.commands])
def test_help_breaks_no_word_at_any_width(command: str) -> None:
    def printed(width: int) -> str:
        # Where it is not told, click takes 2 columns less than the terminal has.
        with redirect_stdout(StringIO()) as shown:
            COMMAND_LINE.main([*command.split(), "--help"], terminal_width=width - 2, standalone_mode=False)
        # The list of commands shows the beginning of a sentence that is too long for its line.
        return shown.getvalue().replace("...", "")

    words = set(printed(1000).split())
    for width in WIDTHS:
        assert broken_and_wide(printed(width), words, width - 2) == [], width


TEXTS = st.lists(st.text("abcdefg0189.,:/-·", min_size=1, max_size=25), max_size=6).map(" ".join)
KINDS = st.sampled_from(["number", "text", "wrap", "code"])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    titles = draw(st.lists(TEXTS.filter(bool), min_size=2, max_size=9, unique=True))
    columns = tuple(Column(title, draw(KINDS)) for title in titles)
    rows = draw(st.lists(st.tuples(*([TEXTS] * len(columns))), min_size=1, max_size=5))
    return Table("any", columns, tuple(rows))


@given(tables(), st.integers(60, 160), st.data())
def test_no_table_breaks_a_word_at_any_width(table: Table, width: int, data: st.DataObject) -> None:
    titles = [column.title for column in table.columns[1:]]
    dispensable = data.draw(st.lists(st.sampled_from(titles), unique=True))
    text = printed_at(width, [("print_table", (table, "A title", dispensable), {})])
    assert broken_and_wide(text, known_words([table, "A title"]), width) == []
    kept = [column for column in table.columns if column.title not in dispensable]
    cells = [row[table.columns.index(column)] for row in table.rows for column in kept]
    assert {*words_of(cells)} <= {*text.split()}
