import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.pins import ROOT, load_pins, parse_version, show_version
from tools.stamps import content_key, exclusively, read_stamp, write_stamp

parts = st.integers(min_value=0, max_value=9999)


@given(parts, parts, parts)
def test_a_version_is_the_same_after_showing_and_parsing_it(major, minor, patch):
    assert parse_version(f"v{show_version((major, minor, patch))}-dev") == (major, minor, patch)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v3.274.1", (3, 274, 1)),
        ("go version go1.26 linux/amd64", (1, 26, 0)),
        ("Python 3.11.7", (3, 11, 7)),
        ("3.9.0 < 3.10.0", (3, 9, 0)),
        ("command not found", None),
        ("", None),
    ],
)
def test_versions_are_found_in_the_output_of_programs(text, expected):
    assert parse_version(text) == expected


def test_versions_are_compared_as_numbers_not_as_text():
    newer, older = parse_version("3.100.0"), parse_version("3.99.9")
    assert newer is not None
    assert older is not None
    assert newer > older


def test_the_pinned_pulumi_is_the_one_that_the_go_module_builds():
    assert f"github.com/pulumi/pulumi/pkg/v3 v{load_pins().pulumi}\n" in (ROOT / "tools/go/go.mod").read_text()
    assert f"github.com/pulumi/pulumi/sdk/v3 v{load_pins().pulumi}\n" in (ROOT / "tools/go/go.mod").read_text()


def test_the_oldest_pulumi_accepted_from_path_is_not_older_than_the_python_sdk():
    pinned = (ROOT / "tools/requirements/run.txt").read_text().partition("\npulumi==")[2].split()[0]
    assert parse_version(pinned) == load_pins().pulumi_oldest_on_path


def test_the_archive_of_the_pinned_release_is_pinned_for_every_machine_that_can_have_it():
    pins = load_pins()
    machines = [f"{system}-{architecture}" for system in ("linux", "darwin") for architecture in ("x64", "arm64")]
    assert set(pins.pulumi_sha256) == {f"pulumi-v{pins.pulumi}-{machine}.tar.gz" for machine in machines}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in pins.pulumi_sha256.values())
    assert len(set(pins.pulumi_sha256.values())) == len(machines)


def test_the_python_sdk_is_that_of_the_pinned_release():
    for tier in ("run", "dev", "policy"):
        assert f"\npulumi=={load_pins().pulumi} " in (ROOT / f"tools/requirements/{tier}.txt").read_text()


def test_a_key_changes_with_content_name_and_facts_but_not_with_order(tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("ab")
    two.write_text("c")
    key = content_key([one, two], "fact")
    assert content_key([two, one], "fact") == key
    assert content_key([one, two], "other fact") != key
    assert content_key([one], "fact") != key
    one.write_text("a")
    two.write_text("bc")
    assert content_key([one, two], "fact") != key


def test_a_damaged_stamp_counts_as_missing(tmp_path: Path):
    stamp = tmp_path / "stamp"
    assert read_stamp(stamp) == {}
    write_stamp(stamp, {"key": "k"})
    assert read_stamp(stamp) == {"key": "k"}
    stamp.write_text('{"key": "k')
    assert read_stamp(stamp) == {}
    stamp.write_text('["key"]')
    assert read_stamp(stamp) == {}


def test_a_second_setup_waits_for_the_first(tmp_path: Path):
    program = (
        "from pathlib import Path; from tools.stamps import exclusively\n"
        f"with exclusively(Path({str(tmp_path / 'lock')!r})): Path({str(tmp_path / 'held')!r}).touch()"
    )
    with exclusively(tmp_path / "lock"):
        second = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        said = second.stdout.readline()
        assert str(os.getpid()) in said
        assert "waiting" in said
        assert not (tmp_path / "held").exists()
    assert second.wait(timeout=30) == 0
    second.stdout.close()
    assert (tmp_path / "held").exists()
