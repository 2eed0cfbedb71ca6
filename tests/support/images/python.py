"""This checkout's Python as entries of an image, with a shell and a few names beside it: what both images stand on."""

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tests.support.images.bytecode import compiled
from tests.support.images.layer import Entry
from tests.support.images.libraries import is_extension, libraries_of

_PREFIX = PurePosixPath("/opt/python")
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = _PREFIX / "bin" / _VERSION
VARIABLES = {"PATH": f"{PYTHON.parent}:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
_STANDARD = f"{_PREFIX}/lib/{_VERSION}".lstrip("/")
SITE = f"{_STANDARD}/site-packages"

# Not what a server or a generator imports, or what belongs to the machine.
_LEFT_OUT = {"site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
_TOOLKIT = "_tkinter."

# Users by number, as the pods name them; some libraries want to know one's name and home.
USERS = {0: "root", 1000: "locust", 65532: "nobody"}


def python_entries() -> list[Entry]:
    """Interpreter, standard library and shell, with the libraries that they are linked with."""
    executable = Path(sys.executable).resolve()
    shell = Path(shutil.which("sh") or "/bin/sh").resolve()
    standard = list(_standard_library(Path(sysconfig.get_path("stdlib"))))
    linked = [entry.source for entry in standard if entry.source and is_extension(entry.source)]
    return [
        Entry(str(PYTHON).lstrip("/"), executable),
        Entry(f"{PYTHON.parent}/python".lstrip("/"), target=_VERSION),
        Entry("bin/sh", shell),
        *standard,
        *libraries_of([executable, shell, *linked], Path(sysconfig.get_path("stdlib"))).values(),
        *_names(),
    ]


def module_entries(source: Path, name: str) -> Iterator[Entry]:
    """A file, and what it was compiled to where it is a module."""
    yield Entry(name, source)
    if source.suffix == ".py" and (beside := compiled(source, name)):
        yield beside


def _standard_library(folder: Path) -> Iterator[Entry]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        top = relative.parts[0]
        left_out = top in _LEFT_OUT or top.startswith("config-") or path.name.startswith(_TOOLKIT)
        if path.is_file() and not left_out and "__pycache__" not in relative.parts:
            yield from module_entries(path, f"{_STANDARD}/{relative}")


def _names() -> Iterator[Entry]:
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for number, name in USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for number, name in USERS.items())
    yield Entry("etc/passwd", content=users.encode())
    yield Entry("etc/group", content=groups.encode())
    yield Entry("etc/nsswitch.conf", content=b"hosts: files dns\n")
