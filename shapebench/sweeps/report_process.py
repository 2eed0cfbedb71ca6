"""Writes reports that another process asks for: one order a line of standard input, one answer a line of the output.

An answer is a JSON text: why the report was not written, empty where it was. The process ends with its input.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path
from typing import TextIO

from analysis.objective import Asked


@dataclass(frozen=True)
class Order:
    """A report: of a results store, at an objective, into a folder."""

    results: str
    asked: Asked
    folder: str

    @property
    def text(self) -> str:
        """One line."""
        return dumps({"results": self.results, "asked": self.asked.model_dump(), "folder": self.folder})

    @classmethod
    def of(cls, text: str) -> "Order":
        """The order in a line."""
        values = loads(text)
        return cls(values["results"], Asked.model_validate(values["asked"]), values["folder"])


def write_reports(orders: Iterable[str], answers: TextIO) -> None:
    """Write each report that is ordered. Charts of runs are drawn once."""
    from analysis.report.collect import collect  # noqa: PLC0415 - libraries that the sweep itself does not need
    from analysis.report.document import RunPage  # noqa: PLC0415
    from analysis.report.render import write_report  # noqa: PLC0415
    from analysis.results.storage.store import ResultsStore  # noqa: PLC0415

    drawn: dict[str, RunPage] = {}
    for text in orders:
        why = ""
        try:
            order = Order.of(text)
            write_report(collect(ResultsStore(order.results), order.asked), Path(order.folder), drawn=drawn)
        except (OSError, ValueError) as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - the next report may be written
            why = repr(error)
        answers.write(dumps(why) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Whatever a library prints is no answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as to_sweep:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        write_reports(sys.stdin, to_sweep)
