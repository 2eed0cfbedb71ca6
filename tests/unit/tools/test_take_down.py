import shutil
import subprocess
from pathlib import Path

import pytest

from tools.pins import ROOT


@pytest.fixture
def take_down(checkout: Path, script_at, tmp_path: Path):
    """Runs it with a command line whose `destroy` fails some times first; returns its status and what was asked."""
    shutil.copy(ROOT / "tools/take_down", checkout / "tools/take_down")
    asked = tmp_path / "asked"

    def run(failures: int, other: str = "exit 0") -> tuple[int, list[str], str]:
        (tmp_path / "failures").write_text("x\n" * failures)
        script_at(
            checkout / ".tools/bin/pulumi",
            f'echo "$*" >> \'{asked}\'\n[ "$1" = destroy ] || {other}\n'
            f"[ -s '{tmp_path}/failures' ] || exit 0\nsed -i 1d '{tmp_path}/failures'\nexit 1",
        )
        done = subprocess.run(
            [checkout / "tools/take_down", "8cpu-16gb"],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TAKE_DOWN_PAUSE_S": "0"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, [line.split()[0] for line in asked.read_text().splitlines()], done.stderr

    return run


def test_a_lock_and_half_made_things_are_cleared_before_it_destroys(take_down):
    assert take_down(0)[:2] == (0, ["cancel", "refresh", "destroy"])


def test_nothing_to_cancel_and_nothing_to_refresh_do_not_keep_it_from_destroying(take_down):
    assert take_down(0, "exit 1")[:2] == (0, ["cancel", "refresh", "destroy"])


def test_a_destroy_that_fails_is_tried_again(take_down):
    status, asked, said = take_down(2)
    assert (status, asked.count("destroy")) == (0, 3)
    assert "attempt 2 of 3" in said


def test_what_cannot_be_destroyed_is_an_error_that_says_what_to_do(take_down):
    status, asked, said = take_down(9)
    assert (status, asked.count("destroy")) == (1, 3)
    assert "8cpu-16gb is still there and costs money" in said
    assert "shapebench janitor --stack 8cpu-16gb --yes" in said
