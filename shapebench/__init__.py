"""The public interface for notebooks: the runs of a results store, and the rows of one run, as tables.

A process of the checkout's own environment reads the store. So a notebook may have a package `analysis` or `tools` of
its own, and `import shapebench` loads nothing of the project.
"""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["ReadError", "rows", "runs"]

_CHECKOUT = Path(__file__).resolve().parents[1]


class ReadError(Exception):
    """A store or a run cannot be read; the message says why."""


def runs(store: str | Path = "results") -> "pd.DataFrame":
    """Return the finished runs of a store, one row each, in order of time.

    `store` is a folder, or a URI such as gs://bucket/prefix. The columns are those of `runs.csv` in an export: figures
    with their units in their names, settings as `shape.nodes` or `serving.protocol`. What was skipped in the store is a
    warning. Raises ReadError.
    """
    frame: pd.DataFrame = _read(str(store)).to_pandas()
    return frame


def rows(store: str | Path, run_id: str, *, arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return every request of one run that was due, by `intended_start`; with `arrow` as a pyarrow Table.

    The columns are those of the results store, times in UTC and latencies in microseconds. What was skipped in
    the store is a warning. Raises ReadError, also where a file of the run is not as it was written.
    """
    table = _read(str(store), run_id)
    return table if arrow else table.to_pandas()


def _read(*arguments: str) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - `import shapebench` is to be quick

    python = _CHECKOUT / ".venv/bin/python"
    command = [str(python if python.exists() else sys.executable), "-P", "-m", "shapebench.tables", *arguments]
    # -P and PYTHONPATH: the packages are the checkout's, whatever is in the working folder.
    environment = os.environ | {"PYTHONPATH": str(_CHECKOUT)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    messages = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0:
        raise ReadError(messages)
    for message in messages.splitlines():
        warnings.warn(message, stacklevel=3)
    return pa.ipc.open_stream(done.stdout).read_all()
