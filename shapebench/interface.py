"""What `import shapebench` offers: a results store, and what the commands say of it, as tables.

A process of the checkout's own environment reads the store. So a notebook may have a package `analysis` or `tools` of
its own, and importing this loads nothing else of the project.
"""

import html
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_CHECKOUT = Path(__file__).resolve().parents[1]
# A command that has no answer exits with 1, and one that was called wrongly with 2. Others say something of the answer.
_NO_ANSWER = (1, 2)


class ShapebenchError(Exception):
    """A store, a run or a price cannot be read, or an option is wrong; the message says why."""


class Objective(TypedDict, total=False):
    """The options of an objective, as on the command line: a latency such as `400ms`, and a share such as `0.1%`."""

    p90: str
    p95: str
    p99: str
    p999: str
    errors: str


class Terms(TypedDict, total=False):
    """What a fleet has to stand besides its load, as on the command line."""

    zones: int
    headroom: str
    clients: int


@dataclass(frozen=True, eq=False)
class Answer:
    """An answer in words, its table with a row for each variant, the best one first, and all of it as JSON has it.

    A notebook shows the words and the table.
    """

    text: str
    table: "pd.DataFrame"
    json: Mapping[str, Any]

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in self.text.splitlines() if line)
        return f"{paragraphs}{self.table.to_html(notebook=True)}"


@dataclass(frozen=True)
class Store:
    """A results store: a folder, or a URI such as gs://bucket/prefix.

    What was skipped in it is a warning. Every method raises ShapebenchError.
    """

    uri: str | Path = "results"

    def runs(self) -> "pd.DataFrame":
        """Return the finished runs, one row each, in order of time.

        The columns are those of `runs.csv` in an export: figures with their units in their names, settings as
        `shape.nodes` or `serving.protocol`.
        """
        frame: pd.DataFrame = _arrow(str(self.uri)).to_pandas()
        return frame

    @overload
    def rows(self, run_id: str, *, arrow: Literal[False] = False) -> "pd.DataFrame": ...
    @overload
    def rows(self, run_id: str, *, arrow: Literal[True]) -> "pa.Table": ...
    def rows(self, run_id: str, *, arrow: bool = False) -> "pd.DataFrame | pa.Table":
        """Return every request of one run that was due, by `intended_start`; with `arrow` as a pyarrow Table.

        The columns are those of the results store, times in UTC and latencies in microseconds. An error also where a
        file of the run is not as it was written.
        """
        table = _arrow(str(self.uri), run_id)
        return table if arrow else table.to_pandas()

    def verdict(
        self,
        *,
        budget: str | None = None,
        within: str | None = None,
        price: Literal["on-demand", "spot"] | None = None,
        **objective: Unpack[Objective],
    ) -> Answer:
        """Return what a million predictions cost with each variant: `shapebench verdict`."""
        found = self._json("verdict", budget=budget, within=within, price=price, **objective)
        return _answer(found, found["verdict"], found["ranking"])

    def plan(self, rps: float, *, terms: Terms | None = None, **objective: Unpack[Objective]) -> Answer:
        """Return how many nodes of which shape carry a load, in requests per second: `shapebench plan`."""
        found = self._json("plan", rps=rps, **(terms or {}), **objective)
        return _answer(found, found["headline"], found["candidates"])

    def day(
        self,
        *,
        peak: float | None = None,
        night: float | None = None,
        traffic: str | Path | None = None,
        terms: Terms | None = None,
        **objective: Unpack[Objective],
    ) -> Answer:
        """Return what a day costs, of a CSV file or with so many requests per second: `shapebench day`."""
        found = self._json("day", peak=peak, night=night, traffic=traffic, **(terms or {}), **objective)
        return _answer(found, found["headline"], found["variants"])

    def latest(self) -> "pd.DataFrame":
        """Return the newest capacity and cost of each stack, one row each: `shapebench latest`."""
        return _frame([{"stack": stack} | found for stack, found in self._json("latest")["latest"].items()])

    def compare(self, first: str, second: str) -> "pd.DataFrame":
        """Return the figures of two runs, one row each: both values, and the second as a multiple of the first.

        `shapebench compare`. What differs in the settings of the runs is in the frame's `attrs["settings"]`.
        """
        found = self._json("compare", first, second)
        figures = found["figures"].items()
        frame = _frame(
            [
                {"figure": name, "first": figure["values"][0], "second": figure["values"][1], "ratio": figure["ratio"]}
                for name, figure in figures
            ]
        )
        frame.attrs["settings"] = found["settings"]
        return frame

    def changes(self, before: "Store | str | Path") -> "pd.DataFrame":
        """Return for each stack whether its cost is better or worse than before, in another store.

        `shapebench latest --against`.
        """
        against = before.uri if isinstance(before, Store) else before
        return _frame(self._json("latest", against=against)["changes"])

    def _json(self, command: str, *words: str, **options: object) -> dict[str, Any]:
        found: dict[str, Any] = _json(command, *words, results=self.uri, **options)
        return found


def prices(stacks: Sequence[str] = (), *, shape: str | None = None, region: str | None = None) -> "pd.DataFrame":
    """Return the line items of stacks (by default all), or of a shape such as 2xe2-standard-8: `shapebench price`.

    USD of an hour; no price is NaN. Raises ShapebenchError.
    """
    found = _json("price", stack=stacks, shape=shape, region=region)
    return _frame([{"stack": priced["name"]} | item for priced in found for item in priced["cost"]["line_items"]])


def _answer(found: Mapping[str, Any], text: str, rows: Sequence[Mapping[str, Any]]) -> Answer:
    return Answer(text, _frame(rows), found)


def _frame(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """A column for each figure, such as `capacity_rps.low`."""
    import pandas as pd  # noqa: PLC0415 - `import shapebench` is to be quick

    return pd.json_normalize([dict(row) for row in rows])


def _json(command: str, *words: str, **options: object) -> Any:  # noqa: ANN401 - any JSON
    """What a command prints with `--json`; an option that is None is not given, and a sequence is given many times."""
    arguments = [command, *words, "--json"]
    for name, value in options.items():
        values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        arguments += [f"--{name.replace('_', '-')}={value}" for value in values]
    return json.loads(_run("shapebench", arguments))


def _arrow(*arguments: str) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - `import shapebench` is to be quick

    return pa.ipc.open_stream(_run("shapebench.tables", arguments)).read_all()


def _run(module: str, arguments: Sequence[str]) -> bytes:
    """What a module of the checkout prints."""
    python = _CHECKOUT / ".venv/bin/python"
    command = [str(python if python.exists() else sys.executable), "-P", "-m", module, *arguments]
    # -P and PYTHONPATH: the packages are the checkout's, whatever is in the working folder.
    environment = os.environ | {"PYTHONPATH": str(_CHECKOUT)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    messages = done.stderr.decode(errors="replace").strip()
    if done.returncode < 0 or done.returncode in _NO_ANSWER:
        raise ShapebenchError(messages.removeprefix("shapebench: "))
    for message in messages.splitlines():
        warnings.warn(message, stacklevel=4)
    return done.stdout
