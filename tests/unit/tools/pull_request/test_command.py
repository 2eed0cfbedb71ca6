"""The command as workflows run it, from preview files to the comment."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tools.pull_request.fake_github import OWN_LOGIN, TOKEN, fake_github
from tools.pins import ROOT
from tools.pull_request import __main__ as command
from tools.pull_request.comment import MARKER
from tools.pull_request.preview import Preview

# urllib3 loads it where it is installed.
OPTIONAL = {"brotli"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Preview files in the folders of `gh run download`, one of them truncated."""
    for stack in ("local", "8cpu-16gb"):
        preview = Preview(stack=stack, failed=False, changes=(), cost=None, problems=())
        (tmp_path / f"preview-{stack}").mkdir()
        (tmp_path / f"preview-{stack}/{stack}.json").write_text(preview.model_dump_json())
    (tmp_path / "preview-local/half.json").write_text('{"stack": "2cpu')
    for name, value in {
        "GITHUB_REPOSITORY": "acme/shapebench",
        "GITHUB_RUN_ID": "11",
        "GITHUB_TOKEN": TOKEN,
        "PREVIEWED_COMMIT": "0123456789abcdef",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pull_request", *arguments])
    return command.main()


def test_two_pushes_leave_one_comment_that_names_every_stack(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with fake_github() as github:
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        assert call(monkeypatch, "comment", str(folder), "--number", "7") == 0
        monkeypatch.setenv("PREVIEWED_COMMIT", "fedcba9876543210")
        assert call(monkeypatch, "comment", str(folder), "--number", "7") == 0
        (comment,) = github.comments
    assert comment["user"]["login"] == OWN_LOGIN
    assert comment["body"].startswith(MARKER)
    assert "fedcba9876" in comment["body"]
    assert "`8cpu-16gb` | none" in comment["body"]
    assert "`2cpu-4gb` | **no preview**" in comment["body"]


def test_show_prints_the_preview_of_the_stacks_that_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.delenv("GITHUB_TOKEN")
    assert call(monkeypatch, "show", str(folder), "local") == 0
    shown = capsys.readouterr().out
    assert "`local` | none" in shown
    assert "8cpu" not in shown


def test_a_missing_runner_variable_is_an_error_with_its_name(folder: Path, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert call(monkeypatch, "show", str(folder)) == 1
    assert "GITHUB_REPOSITORY is not set" in capsys.readouterr().err


def test_a_comment_needs_only_the_packages_that_its_job_installs():
    """Those that the module imports, by what a fresh interpreter has loaded besides the checkout's own packages."""
    script = (
        "import sys\n"
        "at_start = set(sys.modules)\n"
        "import tools.pull_request.__main__\n"
        "from pathlib import Path\n"
        "own = {each.parent.name for each in Path().glob('*/__init__.py')}\n"
        "names = {name.partition('.')[0] for name in sys.modules.keys() - at_start} - own\n"
        "from importlib.metadata import packages_distributions\n"
        "distributions = packages_distributions()\n"
        "print(*{each for name in names for each in distributions.get(name, ())})"
    )
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "tools/requirements/comment.txt").read_text(), re.MULTILINE)
    names = {re.sub("[-_.]+", "-", name).lower() for name in loaded.stdout.split()}
    assert "requests" in names
    assert names - OPTIONAL <= set(pinned)
