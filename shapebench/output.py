"""Prints results: tables for people, JSON for programs. Notes go to stderr, so that output can be piped."""

import json
import sys
from typing import Any, Literal

import rich.table
from rich.console import Console
from rich.markup import escape

from analysis.report.tables import Table

# A piped table has no terminal to fit into, so its columns are not cut.
_PIPED_WIDTH = 240


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which handles every broken pipe; rich would exit with 1."""
        raise  # noqa: PLE0704 - called where the error is handled


class CommandError(Exception):
    """A command cannot do its work; the message says why, and how to mend it."""


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(table: Table, title: str | None = None) -> None:
    printed = rich.table.Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for column in table.columns:
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        printed.add_column(escape(column.title), justify=side, overflow="fold", header_style="dim")
    for row in (*table.rows, *table.totals):
        printed.add_row(*(escape(cell) for cell in row))
    console = _Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(printed)


def note(text: str) -> None:
    sys.stderr.write(text + "\n")
