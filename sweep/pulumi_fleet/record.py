"""The file with the newest task of a stack, by which a resumed sweep finds the update and the run of a killed one."""

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter

from tools.private_files import open_private


class RecordError(Exception):
    """The record cannot be read or written; the message says why. Nothing but a run may depend on it."""


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
        """Replace the record of the task before; raises RecordError, and then that one stays."""
        new = path.with_suffix(".new")
        try:
            with open_private(new, "w") as file:
                json.dump({"task": asdict(self), "digest": self.digest}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except OSError as error:
            raise RecordError(f"{path} cannot be written ({error.strerror}); make room or give permission") from error

    @classmethod
    def read(cls, path: Path) -> "TaskRecord | None":
        """The record at `path`; None where the stack had no task yet. Raises RecordError where it is damaged."""
        try:
            read = json.loads(path.read_bytes())
            found = _TASK.validate_python(read["task"])
            is_whole = read["digest"] == found.digest
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordError(f"{path} cannot be read ({type(error).__name__})") from error
        if not is_whole:
            raise RecordError(f"{path} is not as it was written")
        return found

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the record, by which a damaged one is noticed."""
        return sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


_TASK = TypeAdapter(TaskRecord)
