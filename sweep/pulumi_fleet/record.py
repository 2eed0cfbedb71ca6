"""The file with the newest task of a stack, by which a resumed sweep finds the update and the run of a killed one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from provider.local.server_process import ProcessIdentity


@dataclass(frozen=True)
class TaskRecord:
    """The newest task of a stack: a run (`candidate` and `block`), or its destruction (both None).

    `earlier_runs` are the runs of the stack that the results store had before it. `process` is the Pulumi process that
    works on it, None before it is started and once it has ended.
    """

    candidate: str | None
    block: int | None
    earlier_runs: tuple[str, ...]
    process: ProcessIdentity | None = None

    def write(self, path: Path) -> None:
        """Replace the record of the task before."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> "TaskRecord | None":
        """The record at `path`; None where the stack had no task yet."""
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        process = values["process"]
        return cls(
            values["candidate"],
            values["block"],
            tuple(values["earlier_runs"]),
            ProcessIdentity(**process) if process else None,
        )

    @property
    def running(self) -> ProcessIdentity | None:
        """The process, where it still runs."""
        return self.process if self.process and self.process.alive else None
