"""The base of both images, as entries: this checkout's Python, a shell, and the files with user and host names."""

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

# Neither server nor generator imports these, or they belong to the machine.
_LEFT_OUT = {"site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
_TOOLKIT = "_tkinter."

# User ids that the pods use. Some libraries look up name and home of their user.
USERS = {0: "root", 1000: "locust", 65532: "nobody"}


def python_entries() -> list[Entry]:
    """Interpreter, standard library and shell, with the shared libraries that they are linked with."""
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
        *_name_files(),
    ]


def module_entries(source: Path, name: str) -> Iterator[Entry]:
    """A file, and its compiled form if it is a module."""
    yield Entry(name, source)
    if source.suffix == ".py" and (bytecode := compiled(source, name)):
        yield bytecode


def _standard_library(folder: Path) -> Iterator[Entry]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        top = relative.parts[0]
        left_out = top in _LEFT_OUT or top.startswith("config-") or path.name.startswith(_TOOLKIT)
        if path.is_file() and not left_out and "__pycache__" not in relative.parts:
            yield from module_entries(path, f"{_STANDARD}/{relative}")


def _name_files() -> Iterator[Entry]:
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for number, name in USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for number, name in USERS.items())
    yield Entry("etc/passwd", content=users.encode())
    yield Entry("etc/group", content=groups.encode())
    yield Entry("etc/nsswitch.conf", content=b"hosts: files dns\n")
