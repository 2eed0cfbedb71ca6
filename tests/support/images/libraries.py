"""The shared libraries of this machine that programs and extension modules are linked with, as entries of an image."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.images.layer import Entry

# Where every loader looks, whatever a program was told on the machine where it was built.
_FOLDER = "lib"
_LINKED, _AT_ONCE = " => ", 200


def is_extension(path: Path) -> bool:
    """Whether a file is a shared library by its name: `x.so`, or with a version behind it."""
    return ".so" in path.suffixes


def libraries_of(files: Iterable[Path], root: Path) -> dict[str, Entry]:
    """What these files load from outside of `root`, by file name: libraries, and the program that loads them.

    What is not found on this machine is left out: what needs it does not work here either.
    """
    named = [str(path) for path in files]
    found: dict[str, Entry] = {}
    for begin in range(0, len(named), _AT_ONCE):
        # It fails where one of the files loads nothing, and tells of the others all the same.
        asked = subprocess.run(
            ["ldd", *named[begin : begin + _AT_ONCE]],
            capture_output=True,
            text=True,
            check=False,
        )
        for entry in _told(asked.stdout):
            assert entry.source
            if not entry.source.is_relative_to(root):
                found[entry.source.name] = entry
    return found


def _told(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        if not line.startswith("\t"):
            continue
        name, linked, rest = line.strip().rpartition(_LINKED)
        path = rest.split(" (")[0]
        if linked and path.startswith("/"):
            yield Entry(f"{_FOLDER}/{Path(name).name}", Path(path))
        elif path.startswith("/"):
            # The loader: programs name it with its full path.
            yield Entry(path.lstrip("/"), Path(path))
