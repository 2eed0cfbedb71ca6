import subprocess
from pathlib import Path

import pytest

from checks import committed

SALT = "encryptionsalt: v1:zg6STAqxsnc=:v1:8RIaZc56wk40cSoG:Wgmq36PYs6Su\n"
# Put together here, so that this file holds none of them itself.
BEGIN, BASE, END = "<" * 7, "|" * 7, ">" * 7
RECORDS = "docs/adr"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one stack file and no problems."""
    (tmp_path / ".gitignore").write_text("/build/\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.local.yaml").write_text("config:\n  shapebench:platform: local\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_checkout_without_slips_has_no_problems(checkout: Path):
    (checkout / "README.md").write_text("Heading\n=======\n\n`<<<<<<< HEAD` inside a line, and <<<<<<<<<\n")
    assert committed.problems(checkout) == []


@pytest.mark.parametrize("marker", [f"{BEGIN} HEAD", f"{BASE} base", f"{END} 1234abc (A subject)", END])
def test_a_conflict_marker_is_reported_with_its_file_and_line(checkout: Path, marker: str):
    (checkout / "notes.md").write_text(f"one\ntwo\n{marker}\nthree\n")
    (found,) = committed.problems(checkout)
    assert found.startswith("notes.md:3: a merge-conflict marker")
    assert "delete the markers" in found


def test_conflict_markers_in_what_git_ignores_are_not_reported(checkout: Path):
    (checkout / "build").mkdir()
    (checkout / "build/made.txt").write_text(f"{BEGIN} HEAD\n")
    assert committed.problems(checkout) == []


def test_a_comment_that_names_a_record_which_is_gone_is_reported(checkout: Path):
    (checkout / RECORDS).mkdir(parents=True)
    (checkout / RECORDS / "0001-kept.md").touch()
    (checkout / "code.py").write_text(f"# Why: {RECORDS}/0001, and {RECORDS}/0002.\n")
    (found,) = committed.problems(checkout)
    assert found == f"code.py: there is no {RECORDS}/0002; name the record that it was merged into"


def test_a_committed_salt_is_reported_with_its_stack_file(checkout: Path):
    stack_file = checkout / "stacks/Pulumi.local.yaml"
    stack_file.write_text(stack_file.read_text() + SALT)
    git(checkout, "add", ".")
    (found,) = committed.problems(checkout)
    assert found.startswith("stacks/Pulumi.local.yaml: `encryptionsalt` is committed")
    assert "delete the line" in found


def test_a_salt_that_only_the_working_tree_has_is_not_reported(checkout: Path):
    stack_file = checkout / "stacks/Pulumi.local.yaml"
    stack_file.write_text(stack_file.read_text() + SALT)
    assert committed.problems(checkout) == []


def test_a_salt_that_committed_secrets_need_is_not_reported(checkout: Path):
    stack_file = checkout / "stacks/Pulumi.local.yaml"
    stack_file.write_text(stack_file.read_text() + "  shapebench:token:\n    secure: v1:abc\n" + SALT)
    git(checkout, "add", ".")
    assert committed.problems(checkout) == []
