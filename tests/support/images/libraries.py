"""Finds the shared libraries that programs and extension modules are linked with, as entries of an image."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.images.layer import Entry

# A folder that every loader searches, whatever search path a program was built with.
_FOLDER = "lib"
_LINKED, _FILES_PER_CALL = " => ", 200


def is_extension(path: Path) -> bool:
    """Whether a file name is that of a shared library: `x.so`, or `x.so.1.2`."""
    return ".so" in path.suffixes


def libraries_of(files: Iterable[Path], root: Path) -> dict[str, Entry]:
    """The libraries and the loader that these files need from outside of `root`, by file name.

    A library that this machine does not have is left out: what needs it does not work here either.
    """
    named = [str(path) for path in files]
    found: dict[str, Entry] = {}
    for begin in range(0, len(named), _FILES_PER_CALL):
        # ldd fails where one file is not linked with anything, and still prints the others.
        printed = subprocess.run(
            ["ldd", *named[begin : begin + _FILES_PER_CALL]],
            capture_output=True,
            text=True,
            check=False,
        )
        for entry in _parsed(printed.stdout):
            assert entry.source
            if not entry.source.is_relative_to(root):
                found[entry.source.name] = entry
    return found


def _parsed(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        if not line.startswith("\t"):
            continue
        name, linked, rest = line.strip().rpartition(_LINKED)
        path = rest.split(" (")[0]
        if linked and path.startswith("/"):
            yield Entry(f"{_FOLDER}/{Path(name).name}", Path(path))
        elif path.startswith("/"):
            # The loader, which programs name by its full path.
            yield Entry(path.lstrip("/"), Path(path))
