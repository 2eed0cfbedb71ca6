"""A table, for the page, for Markdown and for a terminal: columns and formatted cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from analysis.report.markdown import code, escaped


@dataclass(frozen=True)
class Column:
    """One column. The page breaks the lines of `wrap` only, and shows an `under_first` below the first cell of its row.

    `bold` cells are the figures to look at first; a `divider` is a line at the left of the column.
    """

    title: str
    kind: Literal["number", "text", "wrap", "code"] = "number"
    bold: bool = False
    under_first: bool = False
    divider: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of formatted cells, as many in each as there are columns.

    `label` names the table for screen readers. `anchors` are what the first cells link to on the page, `totals` rows at
    its end. `marked` are the places of the rows to look at first.
    """

    label: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    anchors: tuple[str, ...] = ()
    totals: tuple[tuple[str, ...], ...] = ()
    marked: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, label: str, text: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]], caption: str = ""
    ) -> Self:
        """A table whose first columns are text and whose others are numbers."""
        columns = (*(Column(title, "text") for title in text), *(Column(title) for title in numbers))
        return cls(label, columns, tuple(map(tuple, rows)), caption)

    @property
    def under_first(self) -> int | None:
        return next((at for at, column in enumerate(self.columns) if column.under_first), None)

    def markdown(self) -> str:
        """The table in Markdown, with numbers at the right; the page's caption and totals are left out."""
        rule = ("--:" if column.kind == "number" else "---" for column in self.columns)
        return "".join(
            f"| {' | '.join(cells)} |\n"
            for cells in (
                [column.title for column in self.columns],
                rule,
                *map(self._markdown_row, range(len(self.rows))),
            )
        )

    def _markdown_row(self, place: int) -> list[str]:
        first, *others = self._markdown_cells(self.rows[place])
        return [f"**{first}**" if place in self.marked else first, *others]

    def _markdown_cells(self, row: Sequence[str]) -> list[str]:
        cells = zip(self.columns, row, strict=True)
        # A cell ends at a `|`, in a code span, too.
        return [
            code(cell).replace("|", "\\|") if column.kind == "code" and cell else escaped(cell)
            for column, cell in cells
        ]
