import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.support.images.archive import Image, write_archive
from tests.support.images.layer import Entry, Layer, pack


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


def members(layer: Layer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer.path) as tar:
        return {member.name: member for member in tar}


def test_a_layer_is_the_same_for_any_time_and_owner_of_its_files(tmp_path: Path, program: Path):
    entries = [Entry("bin/program", program), Entry("etc/name", content=b"x"), Entry("bin/sh", target="program")]
    first = pack(entries, tmp_path / "first.tar")
    os.utime(program, (1, 1))
    second = pack(reversed(entries), tmp_path / "second.tar")
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()


def test_every_user_of_a_container_can_read_and_execute_the_files_of_a_layer(tmp_path: Path, program: Path):
    layer = pack([Entry("bin/program", program), Entry("etc/name", content=b"x")], tmp_path / "layer.tar")
    found = members(layer)
    assert (found["bin/program"].mode, found["etc/name"].mode) == (0o755, 0o644)
    assert {member.uid for member in found.values()} == {0}


def test_of_two_entries_with_one_name_the_later_counts(tmp_path: Path):
    layer = pack([Entry("a", content=b"first"), Entry("a", content=b"later")], tmp_path / "layer.tar")
    with tarfile.open(layer.path) as tar:
        assert tar.extractfile("a").read() == b"later"
        assert len(tar.getmembers()) == 1


def test_a_layer_that_two_images_share_is_in_the_archive_once(tmp_path: Path):
    base = pack([Entry("base", content=b"b")], tmp_path / "base.tar")
    top = pack([Entry("top", content=b"t")], tmp_path / "top.tar")
    buffer = io.BytesIO()
    write_archive([Image("localhost/a:1", [base], ["/a"]), Image("localhost/b:1", [base, top], ["/b"])], buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json"))
        config = json.load(tar.extractfile(manifest[1]["Config"]))
    assert sorted(name for name in names if name.endswith("layer.tar")) == sorted(
        [f"{base.digest}/layer.tar", f"{top.digest}/layer.tar"]
    )
    assert [each["RepoTags"] for each in manifest] == [["localhost/a:1"], ["localhost/b:1"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{base.digest}", f"sha256:{top.digest}"]
    assert config["config"]["Entrypoint"] == ["/b"]
