import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.pins import ROOT

KEPT = {"results", ".state"}


@pytest.fixture
def ignored(tmp_path: Path) -> set[str]:
    """A folder with the real Makefile and one file in each folder that git ignores; returns those folders."""
    for name in ("Makefile", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path / name)
    lines = [line for line in (ROOT / ".gitignore").read_text().splitlines() if not line.startswith("#")]
    folders = {line.strip("/").replace("*", "shapebench") for line in lines} | {
        "package/.venv",
        "policy/.venv",
        "stacks/__pycache__",
    }
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    return folders


def state_of(root: Path, resources: list[dict[str, str]]) -> None:
    path = root / ".state/.pulumi/stacks/shapebench/local.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))


def make(root: Path, target: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", target], cwd=root, capture_output=True, text=True, check=False)


def left(root: Path, folders: set[str]) -> set[str]:
    return {folder for folder in folders if (root / folder).exists()}


def test_make_clean_removes_everything_that_git_ignores_except_results_and_state(tmp_path: Path, ignored: set[str]):
    assert make(tmp_path, "clean").returncode == 0
    assert left(tmp_path, ignored) == KEPT


def test_make_clean_all_removes_results_and_state_too(tmp_path: Path, ignored: set[str]):
    state_of(tmp_path, [])
    assert make(tmp_path, "clean-all").returncode == 0
    assert left(tmp_path, ignored) == set()


def test_make_clean_all_removes_nothing_while_a_stack_is_up(tmp_path: Path, ignored: set[str]):
    state_of(tmp_path, [{"urn": "urn:pulumi:local::shapebench::shapebench:local:LocalServing::local-serving"}])
    refused = make(tmp_path, "clean-all")
    assert refused.returncode != 0
    assert "pulumi destroy --stack <stack>" in refused.stderr
    assert "local.json" in refused.stderr
    assert left(tmp_path, ignored) == ignored
