"""Prints results: tables for people, JSON for programs. Notes go to stderr, so that output can be piped."""

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, TextIO

import rich.table
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from analysis.formatting import is_control, printable
from analysis.report.tables import Column, Table

# For scripts: the answer comes from runs of the stack `local`, so it says nothing about a node shape.
REHEARSAL_EXIT_CODE = 5
# A piped table has no terminal to fit into, so its columns are not cut.
_PIPED_WIDTH = 240
# A column of sentences may be as narrow as this before the table is shown as cards.
_SENTENCES_WIDTH = 30
_GAP = 1


class PipeConsole(Console):
    """A console whose broken pipe is an error that its user handles; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - called where the error is handled


class CommandError(Exception):
    """A command cannot do its work; the message says why, and how to fix it."""


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done: in one line of a terminal, which is gone at the end; else nowhere."""
    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(escape(printable(text)))


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # JSON escapes only some of them: a terminal takes U+009B for the beginning of a command, too.
    sys.stdout.write(
        "".join(json.dumps(character)[1:-1] if is_control(character) else character for character in text) + "\n"
    )


def print_table(table: Table, title: str | None = None, dispensable: Sequence[str] = ()) -> None:
    """The rows below each other where all columns fit into the terminal; else each row as a card, a line a cell.

    Before that, columns are left out that are `dispensable`: titles, in the order in which they go. A note names them.
    """
    console = _console()
    if title:
        _print_title(console, printable(title))
    if found := fitted(table, console.width, dispensable):
        shown, left_out = found
        console.print(shown)
        if left_out:
            note(f"left out for lack of room: {'; '.join(left_out)}; --json has all")
    else:
        _print_cards(console, *_printable(table))


def fitted(table: Table, width: int, dispensable: Sequence[str] = ()) -> tuple[rich.table.Table, Sequence[str]] | None:
    """The table in so many columns of a terminal, and the titles that were left out; None where it has no room."""
    for most in range(len(dispensable) + 1):
        columns, rows = _printable(without(table, dispensable[:most]))
        if widths := _widths(columns, rows, width - 2 * _GAP * (len(columns) - 1)):
            return _columns(columns, rows, widths), dispensable[:most]
    return None


def without(table: Table, titles: Sequence[str]) -> Table:
    """The table without the columns of these titles."""
    kept = [at for at, column in enumerate(table.columns) if column.title not in titles]

    def cells(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(row[at] for at in kept) for row in rows)

    return replace(
        table, columns=tuple(table.columns[at] for at in kept), rows=cells(table.rows), totals=cells(table.totals)
    )


def _printable(table: Table) -> tuple[Sequence[Column], list[list[str]]]:
    """The columns, and the cells of all rows without what steers a terminal."""
    return table.columns, [list(map(printable, row)) for row in (*table.rows, *table.totals)]


def print_card(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Named facts below a title."""
    _print_card(_console(), printable(title), [(name, printable(text)) for name, text in facts])


def _console() -> Console:
    return PipeConsole(width=_terminal_width(sys.stdout) or _PIPED_WIDTH, highlight=False, emoji=False)


def _widths(columns: Sequence[Column], rows: list[list[str]], available: int) -> list[int] | None:
    """A width for each column, with no word broken; None where they do not fit.

    Titles and sentences are broken between words where they must be.
    """
    cells = [[row[at] for row in rows] for at in range(len(columns))]
    most = [max(map(cell_len, (column.title, *texts))) for column, texts in zip(columns, cells, strict=True)]
    if sum(most) <= available:
        return most
    least = [
        max(map(cell_len, (*column.title.split(), *(" ".join(texts).split() if column.kind == "wrap" else texts))))
        for column, texts in zip(columns, cells, strict=True)
    ]
    widths = [
        min(widest, max(narrowest, _SENTENCES_WIDTH)) if column.kind == "wrap" else narrowest
        for column, widest, narrowest in zip(columns, most, least, strict=True)
    ]
    left = available - sum(widths)
    if left < 0:
        return None
    for at, width in enumerate(widths):
        widths[at] = min(most[at], width + left)
        left -= widths[at] - width
    return widths


def print_text(text: str) -> None:
    _write_lines(text, sys.stdout)


def print_code(text: str) -> None:
    """Print text to be pasted, with its lines as they are: where a terminal breaks one, a copy has it whole."""
    sys.stdout.write(f"{printable(text)}\n")


def note(text: str) -> None:
    _write_lines(text, sys.stderr)


def _write_lines(text: str, stream: TextIO) -> None:
    """Write the text, with lines no longer than the terminal, which would break them within words."""
    for line in printable(text).split("\n"):
        width = _terminal_width(stream)
        short = _lines(line, width) if width else [line]
        stream.write("\n".join(short) + "\n")


def _terminal_width(stream: TextIO) -> int | None:
    """The columns of the terminal; None where output goes elsewhere, as into a file or a pipe."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def _columns(columns: Sequence[Column], rows: list[list[str]], widths: list[int]) -> rich.table.Table:
    printed = rich.table.Table(box=None, pad_edge=False, padding=(0, _GAP))
    for column, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        printed.add_column(escape(column.title), justify=side, width=width, overflow="fold", header_style="dim")
    for row in rows:
        printed.add_row(*map(escape, row))
    return printed


def _print_cards(console: Console, columns: Sequence[Column], rows: list[list[str]]) -> None:
    """Each row as its first cell, and below it the others."""
    titles = [column.title for column in columns[1:]]
    for first, *others in rows:
        _print_card(console, first, list(zip(titles, others, strict=True)))


def _print_card(console: Console, title: str, facts: Sequence[tuple[str, str]]) -> None:
    """The title, and a line for each fact that is not empty; a word with no room beside the name is below it."""
    # The width of the names of all facts, so that cards below each other are aligned.
    names = max(cell_len(name) for name, _ in facts)
    _print_title(console, title)
    for name, text in facts:
        if not text.strip():
            continue
        beside = console.width - names - 4
        if max(map(cell_len, text.split())) <= beside:
            lines = [f"  {'' if at else name:{names}}  {line}" for at, line in enumerate(_lines(text, beside))]
        else:
            lines = [
                *(f"  {line}" for line in _lines(name, console.width - 2)),
                *(f"    {line}" for line in _lines(text, console.width - 4)),
            ]
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)


def _print_title(console: Console, title: str) -> None:
    for part in title.split("\n"):
        for line in _lines(part, console.width) or [""]:
            console.print(line, style="bold", markup=False, soft_wrap=True)


def _lines(text: str, width: int) -> list[str]:
    """The text in lines of this width, with no word broken."""
    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False)
