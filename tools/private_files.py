"""Files and folders that only their owner can read, such as journals, logs and Pulumi's state."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can use, or make an existing one so. Its parents are made as usual."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # it is another user's, who decides
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file, as text in UTF-8 or in binary mode; one that is created can be read by its owner only."""
    encoding = None if "b" in mode else "utf-8"
    return open(path, mode, encoding=encoding, opener=_owners_alone)


def _owners_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
