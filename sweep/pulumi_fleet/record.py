"""The file with the newest task of a stack, by which a resumed sweep finds the update and the run of a killed one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TaskRecord:
    """The newest task of a stack: a run (`candidate` and `block`), or its destruction (both None).

    `earlier_runs` are the runs of the stack that the results store had before it. `is_updating` from just before a
    Pulumi process is started for it until that has ended.
    """

    candidate: str | None
    block: int | None
    earlier_runs: tuple[str, ...]
    is_updating: bool = False

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
        return cls(values["candidate"], values["block"], tuple(values["earlier_runs"]), values["is_updating"])
