from dataclasses import replace
from pathlib import Path
from socket import socket

import pytest

from tools import release
from tools.console import SetupError
from tools.pins import load_pins


def install(releases, archive: str, into: Path) -> None:
    into.mkdir()
    assert release.published_checksum(releases.pins, archive) is not None
    release.install_release(releases.pins, archive, into)


def test_of_the_pinned_release_only_the_needed_files_are_installed(releases, tmp_path: Path):
    install(releases, releases.publish(), tmp_path / "bin")
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == sorted(release.RELEASE_FILES)
    assert (tmp_path / "bin/pulumi").read_bytes() == b"pulumi"
    assert (tmp_path / "bin/pulumi").stat().st_mode & 0o111
    assert not (tmp_path / "outside").exists()


def test_a_release_that_its_server_vouches_for_and_no_pin_is_refused_and_no_file_of_it_stays(releases, tmp_path: Path):
    archive = releases.publish(pinned="f" * 64)
    with pytest.raises(SetupError, match="damaged or replaced"):
        install(releases, archive, tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_release_without_the_python_host_is_refused(releases, tmp_path: Path):
    archive = releases.publish({"pulumi/pulumi": b"pulumi"})
    with pytest.raises(SetupError, match="does not hold pulumi-language-python"):
        install(releases, archive, tmp_path / "bin")
    assert not (tmp_path / "bin" / archive).exists()


def test_a_checksum_file_without_the_archive_is_an_error(releases):
    releases.publish()
    with pytest.raises(SetupError, match="so it is not installed; install Pulumi"):
        release.published_checksum(releases.pins, "pulumi-v0-plan9-mips.tar.gz")


def test_a_missing_release_counts_as_not_reachable(releases):
    assert release.published_checksum(releases.pins, "any.tar.gz") is None


def test_a_server_that_never_answers_counts_as_not_reachable_after_the_timeout():
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        pins = replace(
            load_pins(), pulumi_releases=f"http://127.0.0.1:{listener.getsockname()[1]}", probe_timeout_s=0.2
        )
        assert release.published_checksum(pins, "any.tar.gz") is None
