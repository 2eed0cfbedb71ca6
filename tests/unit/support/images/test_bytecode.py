import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.images.bytecode import compiled


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text("ANSWER = 42\n")
    py_compile.compile(str(path))
    return path


def test_a_compiled_module_is_valid_for_any_modification_time_of_its_source(source: Path, tmp_path: Path):
    entry = compiled(source, "lib/module.py")
    assert entry.name == f"lib/__pycache__/module.{sys.implementation.cache_tag}.pyc"
    unpacked = tmp_path / "image" / entry.name
    unpacked.parent.mkdir(parents=True)
    unpacked.write_bytes(entry.content)
    # If Python looked at it, this would be what it says.
    there = tmp_path / "image/lib/module.py"
    there.write_text("ANSWER = 'from the source'\n")
    os.utime(there, (0, 0))
    said = subprocess.run(
        [sys.executable, "-c", "import module; print(module.ANSWER)"], cwd=there.parent, capture_output=True, check=True
    )
    assert said.stdout == b"42\n"


def test_an_outdated_compiled_module_is_left_out(source: Path):
    source.write_text("ANSWER = 43, and longer\n")
    assert compiled(source, "lib/module.py") is None


def test_a_source_without_a_compiled_module_has_none_in_the_image(tmp_path: Path):
    (tmp_path / "other.py").write_text("")
    assert compiled(tmp_path / "other.py", "lib/other.py") is None
