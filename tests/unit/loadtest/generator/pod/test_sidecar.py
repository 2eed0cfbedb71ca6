"""The sidecar of the generator's pod, run as a process."""

import base64
import hashlib
import json
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.pod import sidecar
from loadtest.generator.pod.sidecar import unpacked
from tools.pins import ROOT


def said(*arguments: object) -> str:
    command = [sys.executable, "-S", "-m", "loadtest.generator.pod.sidecar", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_a_file_comes_back_part_by_part_as_it_was_listed(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    (tmp_path / "locust-0.csv").write_bytes(content)
    size, sha256 = json.loads(said("list", tmp_path))["locust-0.csv"]
    parts = [said("read", tmp_path / "locust-0.csv", offset, 1000) for offset in range(0, size, 1000)]
    assert b"".join(unpacked(part.strip()) for part in parts) == content
    assert hashlib.sha256(content).hexdigest() == sha256


@given(st.binary(min_size=1), st.data())
def test_an_incomplete_part_is_an_error(content: bytes, data: st.DataObject) -> None:
    packed = base64.b64encode(zlib.compress(content)).decode()
    with pytest.raises(ValueError, match=r".+"):
        unpacked(packed[: data.draw(st.integers(0, len(packed) - 1))])


def test_it_ends_when_it_is_released_and_not_at_a_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "loadtest.generator.pod.sidecar", "keep", str(tmp_path), "60"]
    with subprocess.Popen(command, cwd=ROOT) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        said("release", tmp_path)
        assert process.wait(10) == 0


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    sidecar.keep(tmp_path, keep_s=0)


def test_an_unknown_command_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        said("juggle", "/")
    assert "the sidecar has no command juggle; give keep, list, read, release or clock" in failure.value.stderr
