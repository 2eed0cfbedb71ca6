"""Whether what is written can be written where it was asked for, known before anything is computed or drawn."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPORT_HTML = "report.html"


def check_folder(folder: Path) -> None:
    """Raise OSError that names what is in the way where a folder cannot be made or written into; makes nothing."""
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists() or parent.is_symlink())
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"{nearest} is not a folder, so nothing can be written into {folder}; name another folder"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"{nearest} may not be written into, so there is no {folder}; name another folder")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing; raises OSError that names what is in the way."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)


def check_new_folder(folder: Path) -> None:
    """Raise OSError where a new folder cannot be written: it exists, or cannot be made."""
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(
            f"{folder} exists, and nothing in it is overwritten; remove it, or name a folder that does not exist yet"
        )
    check_folder(folder.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name when it is whole; after an error there is none.

    Raises FileExistsError where there is one already, and OSError where it cannot be made.
    """
    check_new_folder(folder)
    make_folder(folder.parent)
    half_written = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.half-written")
    half_written.mkdir()
    try:
        yield half_written
        half_written.rename(folder)
    finally:
        shutil.rmtree(half_written, ignore_errors=True)
