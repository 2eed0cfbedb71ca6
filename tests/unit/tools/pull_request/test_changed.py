"""Which stacks a list of changed files changes, and a real git diff."""

import subprocess
from pathlib import Path

import grimp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.files import load_settings, stack_names
from tools.console import SetupError
from tools.pins import ROOT
from tools.pull_request.changed import NOT_DEPLOYED, changed_paths, changed_stacks, measurable_stacks

STACKS = ["2cpu-4gb", "4cpu-8gb", "8cpu-16gb"]
# What runs on the way from a stack's file to a stored run.
DEPLOYED = ("components", "provider", "loadtest", "serving")


def test_the_file_of_a_stack_changes_that_stack_alone():
    assert changed_stacks(["stacks/Pulumi.4cpu-8gb.yaml", "docs/stacks.md"], STACKS) == ["4cpu-8gb"]


@pytest.mark.parametrize(
    "path",
    [
        "components/gke/cluster.py",
        "stacks/settings.py",
        "Pulumi.yaml",
        "__main__.py",
        "loadtest/generator/plan.py",
        "tools/requirements/run.txt",
        "tools/versions.toml",
        "a-new-folder/module.py",
    ],
)
def test_what_every_stack_deploys_changes_all(path: str):
    assert changed_stacks(["docs/stacks.md", path, "stacks/Pulumi.4cpu-8gb.yaml"], STACKS) == STACKS


@pytest.mark.parametrize(
    "path", ["README.md", "docs/README.md", "tests/unit/x.py", "tools/setup", "stacks/Pulumi.x.yaml"]
)
def test_what_no_stack_deploys_changes_none(path: str):
    assert changed_stacks([path], STACKS) == []


@given(
    st.lists(st.sampled_from(["README.md", "stacks/settings.py", *(f"stacks/Pulumi.{stack}.yaml" for stack in STACKS)]))
)
def test_more_changed_files_never_change_fewer_stacks(paths: list[str]):
    assert set(changed_stacks(paths[1:], STACKS)) <= set(changed_stacks(paths, STACKS))


def test_nothing_that_is_deployed_is_made_from_what_counts_as_not_deployed():
    packages = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"})
    graph = grimp.build_graph(*packages)
    deployed = {module for module in graph.modules if module.split(".")[0] in DEPLOYED}
    for module in tuple(deployed):
        deployed |= graph.find_upstream_modules(module)
    listed = {path for path in NOT_DEPLOYED if (ROOT / path).is_dir() and (ROOT / path / "__init__.py").exists()}
    assert {"analysis/verdict", "sweep"} <= listed
    found = {
        module for module in deployed for folder in listed if f"{module}.".startswith(folder.replace("/", ".") + ".")
    }
    # The programs that set a checkout up do not run in a stack, but their messages and pins do.
    assert {module for module in found if not module.startswith("tools")} == set()


def test_every_path_that_counts_as_not_deployed_exists():
    assert [path for path in NOT_DEPLOYED if not (ROOT / path).exists()] == []


def test_the_stacks_that_a_workflow_measures_are_those_on_gke():
    assert measurable_stacks() == [
        stack_name for stack_name in stack_names() if load_settings(stack_name).platform == "gke"
    ]


def test_a_renamed_file_counts_under_both_names(tmp_path: Path):
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "über.py").write_text("x = 1\n" * 20)
    git("add", ".")
    git("commit", "-m", "one")
    git("mv", "über.py", "b.py")
    git("commit", "-m", "two")
    assert sorted(changed_paths("HEAD^1", tmp_path)) == ["b.py", "über.py"]
    with pytest.raises(SetupError, match="fetch-depth: 2"):
        changed_paths("HEAD~7", tmp_path)
