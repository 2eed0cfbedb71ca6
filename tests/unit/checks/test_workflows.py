"""`make check` on the real workflows, and on copies with one mistake each."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import workflows
from stacks.files import load_settings, stack_names
from tools.actionlint import ensure_actionlint, program
from tools.pins import ROOT

PREVIEW, MEASURE, MEASURE_PULL_REQUEST = (
    f".github/workflows/{name}.yml" for name in ("preview", "measure", "measure-pull-request")
)
SETUP = ".github/actions/setup/action.yml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the workflows, with the files that they are checked against."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / "tools").mkdir()
    for name in ("actions.toml", "versions.toml"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    return tmp_path


def problems_after(tree: Path, name: str, old: str, new: str) -> list[str]:
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new, 1))
    return workflows.problems(tree)


def test_the_committed_workflows_have_no_problems(tree: Path):
    assert workflows.problems(tree) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        (PREVIEW, "actions/checkout@3d3c", "actions/checkout@0000", "actions/checkout is not at its listed commit"),
        (PREVIEW, "# v7.0.1", "# v6.0.0", "actions/checkout is not at its listed commit"),
        (SETUP, "@8e5e406f4007fca908480587cb9893c07090f58d # v7.0.0", "@v7", "pulumi/actions is not at its listed"),
        (MEASURE, "google-github-actions/auth@", "mallory/auth@", "mallory/auth is not listed"),
        (SETUP, "pulumi-version: 3.259.0", "pulumi-version: 3.200.0", "pulumi-version is not 3.259.0"),
        (SETUP, 'python-version: "3.13"', 'python-version: "3.14"', "Python 3.14 is not supported"),
    ],
)  # fmt: skip
def test_unlisted_actions_and_other_versions_are_reported(tree: Path, name: str, old: str, new: str, named: str):
    assert any(named in problem for problem in problems_after(tree, name, old, new))


def test_a_listed_action_that_nobody_uses_is_reported(tree: Path):
    with (tree / "tools/actions.toml").open("a") as file:
        file.write('["acme/unused"]\nversion = "v1.0.0"\ncommit = "0"\n')
    assert workflows.problems(tree) == ["tools/actions.toml: no workflow uses acme/unused; remove it"]


@pytest.mark.skipif(not program(ROOT).exists(), reason="actionlint needs Go to be built with, and there is none")
def test_what_actionlint_finds_is_reported(tree: Path):
    program(tree).parent.mkdir(parents=True)
    program(tree).symlink_to(program(ROOT))
    (tree / ".git").mkdir()
    assert workflows.problems(tree) == []
    found = problems_after(tree, MEASURE, "${{ inputs.profile }}", "${{ inputs.profiel }}")
    assert any("profiel" in problem for problem in found)


def test_a_pull_request_previews_every_stack_that_has_a_file(tmp_path: Path):
    jobs = yaml.safe_load((ROOT / PREVIEW).read_text())["jobs"]
    script = next(step["run"] for step in jobs["others"]["steps"] if step.get("id") == "named")
    variables = {"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(tmp_path / "output")}
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=ROOT, env=variables, check=True)
    stacks = (tmp_path / "output").read_text().removeprefix("stacks=")
    assert {"local", *json.loads(stacks)} == set(stack_names())


@pytest.mark.parametrize("stack", stack_names())
def test_only_stacks_that_create_a_cluster_can_be_measured(stack: str):
    done = subprocess.run([ROOT / "tools/require_gke_stack", stack], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (load_settings(stack).platform == "gke")


@pytest.mark.parametrize("name", ["", "8cpu", "../stacks/Pulumi.8cpu-16gb", "8cpu-16gb; destroy", "$(id)"])
def test_an_unknown_stack_is_refused_with_the_names_of_those_that_exist(name: str):
    done = subprocess.run([ROOT / "tools/require_gke_stack", name], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"'{name}' is not a GKE stack" in done.stderr
    assert "    8cpu-64gb\n" in done.stderr


def test_no_workflow_runs_a_forks_code_with_an_identity():
    text = (ROOT / PREVIEW).read_text()
    assert "pull_request_target" not in text
    jobs = yaml.safe_load(text)["jobs"]
    trusted = {name for name, job in jobs.items() if re.search(r"secrets\.|id-token|pull-requests", str(job))}
    assert trusted == {"stacks", "comment"}
    assert all(_is_skipped_with(jobs, name, "others") for name in trusted)
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["others"]["if"]


def test_a_measurement_of_a_pull_request_is_labelled_reviewed_and_of_no_fork():
    text = (ROOT / MEASURE_PULL_REQUEST).read_text()
    read = yaml.safe_load(text)
    jobs = read["jobs"]
    assert read[True] == {"pull_request": {"types": ["labeled"]}}
    for needed in (
        "github.event.label.name == 'measure'",
        "github.event.pull_request.head.repo.full_name == github.repository",
        "github.event.pull_request.user.login != 'dependabot[bot]'",
    ):
        assert needed in jobs["changed"]["if"]
    # The one identity that can create anything waits for a reviewer; no job can both measure and comment.
    assert [name for name, job in jobs.items() if "MEASURE_SERVICE_ACCOUNT" in str(job)] == ["measure"]
    assert jobs["measure"]["environment"] == "measure-pull-request"
    assert [name for name, job in jobs.items() if "pull-requests" in job["permissions"]] == ["comment"]
    trusted = {name for name, job in jobs.items() if re.search(r"secrets\.|id-token|'pull-requests'", str(job))}
    assert trusted == {"measure", "compare", "comment"}
    assert all("changed" in jobs[name]["needs"] for name in trusted)


def test_what_a_measurement_leaves_is_taken_down_within_the_time_of_its_job():
    job = yaml.safe_load((ROOT / MEASURE_PULL_REQUEST).read_text())["jobs"]["measure"]
    (sweep,) = (step for step in job["steps"] if "shapebench sweep" in step.get("run", ""))
    (down,) = (step for step in job["steps"] if "tools/take_down" in step.get("run", ""))
    assert down["if"] == "failure() || cancelled()"
    assert job["timeout-minutes"] - sweep["timeout-minutes"] >= 30
    assert "--max-usd" in sweep["run"]


def test_a_dependabot_pull_request_skips_what_needs_secrets_and_says_so(tmp_path: Path):
    """Its runs get neither the repository's secrets nor a token that may comment: docs/google-cloud-facts.md."""
    jobs = yaml.safe_load((ROOT / PREVIEW).read_text())["jobs"]
    assert "github.event.pull_request.user.login != 'dependabot[bot]'" in jobs["others"]["if"]
    assert "if" not in jobs["local"]
    (step,) = (step for step in jobs["local"]["steps"] if "dependabot[bot]" in step.get("if", ""))
    # Exactly where the other jobs are skipped: by De Morgan.
    assert step["if"] == jobs["others"]["if"].replace("==", "!=", 1).replace("&&", "||").replace(
        "login != ", "login == "
    )
    variables = {"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], env=variables, check=True)
    assert "Only `local` is previewed" in (tmp_path / "summary").read_text()


def _is_skipped_with(jobs: dict[str, dict[str, Any]], name: str, needed: str) -> bool:
    """A job without a status function in its `if` is skipped where a job that it needs is."""
    job = jobs[name]
    if needed not in job["needs"]:
        return False
    return "()" not in job.get("if", "") or f"needs.{needed}.result == 'success'" in job["if"]


def test_without_go_setup_goes_on_and_says_what_is_not_checked(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    shutil.copytree(ROOT / "tools/lint", tree / "tools/lint")
    shutil.copytree(ROOT / "tools/go", tree / "tools/go")
    monkeypatch.setenv("PATH", str(tree))
    assert not ensure_actionlint(tree)
    assert "checked without actionlint" in capsys.readouterr().out
