import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.scripts import write_script
from tools.pins import ROOT


@pytest.fixture
def take_down(checkout: Path, tmp_path: Path):
    """Runs it with stand-ins whose `destroy` or `janitor` fails a number of times first.

    Returns its exit status, the commands that it ran in order, and its stderr.
    """
    shutil.copy(ROOT / "tools/take_down", checkout / "tools/take_down")
    commands = tmp_path / "commands"

    def failing(program: str, command: str, failures: int, other: str = "exit 0") -> None:
        left = tmp_path / f"{program}-failures"
        left.write_text("x\n" * failures)
        write_script(
            checkout / f".tools/bin/{program}",
            f'echo "$*" >> \'{commands}\'\n[ "$1" = {command} ] || {other}\n'
            f"[ -s '{left}' ] || exit 0\nsed -i 1d '{left}'\nexit 1",
        )

    def run(failures: int, other: str = "exit 0", held: int = 0) -> tuple[int, list[str], str]:
        failing("pulumi", "destroy", failures, other)
        failing("shapebench", "janitor", held)
        done = subprocess.run(
            [checkout / "tools/take_down", "8cpu-16gb"],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TAKE_DOWN_PAUSE_S": "0"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, [line.split()[0] for line in commands.read_text().splitlines()], done.stderr

    return run


ALL = ["cancel", "stack", "janitor", "refresh", "destroy"]


def test_lock_and_interrupted_creations_are_removed_before_the_destroy(take_down):
    assert take_down(0)[:2] == (0, ALL)


def test_a_failing_cancel_export_or_refresh_does_not_prevent_the_destroy(take_down):
    assert take_down(0, "exit 1")[:2] == (0, ALL)


def test_a_failing_destroy_is_tried_again(take_down):
    status, commands, stderr = take_down(2)
    assert (status, commands.count("destroy")) == (0, 3)
    assert "attempt 2 of 6" in stderr


def test_pending_creations_stay_in_the_state_until_their_resources_are_removed(take_down):
    status, commands, _ = take_down(0, held=1)
    # The state's notes are cleared by the refresh alone.
    assert (status, commands) == (0, ["cancel", "stack", "janitor", "destroy", "janitor", "refresh", "destroy"])


def test_a_stack_that_cannot_be_destroyed_is_an_error_with_the_next_command(take_down):
    status, commands, stderr = take_down(9)
    assert (status, commands.count("destroy")) == (1, 6)
    assert "8cpu-16gb may still exist and cost money" in stderr
    assert "shapebench janitor --stack 8cpu-16gb --yes" in stderr
