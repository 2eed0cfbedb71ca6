"""Stamps record what was installed from which files, so that a second run has nothing to do.

A step writes its stamp last and atomically, so an interrupted step leaves none and runs again.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.console import say


def content_key(files: Iterable[Path], *facts: str) -> str:
    """A hash of the files' names and contents and of the facts; the order of the files does not matter."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    for fact in facts:
        digest.update(f"{len(fact)}\0{fact}".encode())
    return digest.hexdigest()


def read_stamp(path: Path) -> dict[str, str]:
    """A stamp's fields; empty where it is missing or damaged, so that the step runs again."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_stamp(path: Path, fields: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(fields, indent=2) + "\n")
    temporary.replace(path)


@contextmanager
def unfinished_folder(root: Path) -> Iterator[Path]:
    """A temporary folder on the disk of `.tools`, to prepare an installation in; removes those of killed runs."""
    parent = root / ".tools"
    parent.mkdir(exist_ok=True)
    for leftover in parent.glob("unfinished-*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock of a checkout's set-up; a second run waits for the first. A killed process releases it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"another run (process {file.read().strip() or 'unknown'}) is setting up this checkout; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
