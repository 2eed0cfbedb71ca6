"""The entries of the base layer, and Python started from them with a root of its own, where that is allowed."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.images.layer import Entry, pack
from tests.support.images.libraries import is_extension, libraries_of
from tests.support.images.python import PYTHON, SITE, python_entries


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    return {entry.name: entry for entry in python_entries()}


def test_interpreter_shell_and_loader_are_at_their_usual_paths(entries: dict[str, Entry]):
    assert {str(PYTHON).lstrip("/"), "opt/python/bin/python", "bin/sh", "lib/libc.so.6"} <= entries.keys()
    assert any(Path(name).name.startswith("ld-") for name in entries), "programs name their loader with its full path"


def test_no_entry_names_a_path_of_this_machine(entries: dict[str, Entry]):
    assert not any(name.startswith("/") or ".." in Path(name).parts for name in entries)
    assert not any(str(Path(sys.prefix)).lstrip("/") in name for name in entries)


def test_installed_packages_and_tests_are_left_out(entries: dict[str, Entry]):
    assert not any(name.startswith((SITE, f"{Path(SITE).parent}/test/")) for name in entries)


def test_libraries_below_the_root_are_left_out(tmp_path: Path):
    found = libraries_of([Path(sys.executable).resolve()], Path("/"))
    assert found == {}


def test_a_file_without_libraries_does_not_hide_those_of_others(tmp_path: Path):
    (tmp_path / "script").write_text("#!/bin/sh\n")
    found = libraries_of([tmp_path / "script", Path(sys.executable).resolve()], tmp_path)
    assert found["libc.so.6"].name == "lib/libc.so.6"


@pytest.mark.parametrize(("name", "so"), [("x.so", True), ("libz.so.1.2", True), ("x.py", False), ("also.txt", False)])
def test_shared_libraries_are_recognised_by_name(name: str, *, so: bool):
    assert is_extension(Path(name)) is so


def test_python_runs_in_a_root_that_holds_only_these_files(entries: dict[str, Entry], tmp_path: Path):
    unshare = ["unshare", "--user", "--map-root-user", "--root", str(tmp_path)]
    layer = pack(entries.values(), tmp_path.parent / "python.tar")
    with tarfile.open(layer.path) as tar:
        tar.extractall(tmp_path, filter="fully_trusted")
    if subprocess.run([*unshare, "/bin/sh", "-c", ":"], capture_output=True, check=False).returncode:
        pytest.skip("no user of this machine may have a root of its own")
    script = "import ssl, ctypes, hashlib, lzma, socket, sqlite3, sys; print(sys.prefix, len(sys.modules))"
    said = subprocess.run([*unshare, str(PYTHON), "-c", script], env={}, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("/opt/python "), said.stderr
