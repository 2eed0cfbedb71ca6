"""Prints what commands found: tables for people, JSON for programs, notes on stderr so that neither is disturbed."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# A table that is piped has no terminal to fit into, and must not lose columns to one that it does not have.
_PIPED_WIDTH = 240


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which ends alike whatever was printed; rich would end the program with 1."""
        raise  # noqa: PLE0704 - called where the error is handled


class CommandError(Exception):
    """A command cannot do what was asked; the message says why, and what to do."""


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Write `value` as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1, title: str | None = None
) -> None:
    """Write a table whose first `words` columns are text and whose others are numbers."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(
            escape(column), justify="left" if index < words else "right", overflow="fold", header_style="dim"
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console = _Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(table)


def note(text: str) -> None:
    """Write a line beside the result, on stderr."""
    sys.stderr.write(text + "\n")
