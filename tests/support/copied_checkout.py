"""A copy of this checkout as a user has it, and a shell that types the commands of a page in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks.tree import own_files
from tools.first_hour import Line, Shell, new_user
from tools.pins import ROOT


def copy_checkout(folder: Path) -> Path:
    """What git has, with this checkout's environment and programs."""
    for path in own_files(ROOT):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for name in (".venv", ".tools"):
        (folder / name).symlink_to((ROOT / name).resolve())
    return folder


@contextmanager
def shell_in(checkout: Path, home: Path) -> Iterator[Shell]:
    """A new user's shell, in which `. tools/env.sh` was typed."""
    home.mkdir()
    environment = new_user(home, [], caches=False) | {
        "PYTHONPATH": str(checkout),
        "SHAPEBENCH_OTHER_PROGRAMS": os.environ["SHAPEBENCH_OTHER_PROGRAMS"],
    }
    with Shell(checkout, environment) as shell:
        assert shell.type(". tools/env.sh").status == 0
        yield shell


def type_line(shell: Shell, line: Line) -> None:
    """As the page says: its exit code, and no traceback."""
    outcome = shell.type(line.command)
    assert outcome.status in line.statuses, line.command
    assert not outcome.traceback, line.command
