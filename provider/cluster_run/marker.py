"""Marks a work folder as that of a run whose rows are in a cluster and nowhere else."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from analysis.results.file_system import write_to_disk
from stacks.frozen import Frozen

_FILE = "unfetched.json"


class Marker(Frozen):
    """Where the rows are; `cluster` is provider.cluster.api.Cluster.cluster."""

    stack: str
    cluster: str
    namespace: str
    job: str

    def write(self, folder: Path) -> None:
        """Create the work folder with the mark; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        write_to_disk(folder / _FILE, self.model_dump_json().encode())


def marked(work_dir: Path, stack: str) -> Iterator[tuple[Path, Marker]]:
    """The marked work folders of a stack."""
    for file in sorted(work_dir.glob(f"*/{_FILE}")):
        with contextlib.suppress(OSError, ValidationError):  # a file that was cut off marks nothing
            marker = Marker.model_validate_json(file.read_bytes())
            if marker.stack == stack:
                yield file.parent, marker


def unmark(folder: Path) -> None:
    """Remove the mark, and the folder where nothing else is in it."""
    (folder / _FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds the log of an invalid run, or a run to import
        folder.rmdir()
