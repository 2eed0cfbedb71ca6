"""The clean-up workflow: when it runs, and that no measurement can push it out of a queue."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scripts import write_script
from tools.pins import ROOT

WORKFLOWS = ROOT / ".github/workflows"


def workflow(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    return read


@pytest.fixture
def clean_up() -> dict[Any, Any]:
    return workflow("clean-up")


def test_it_runs_on_a_schedule_and_then_removes_only_what_has_expired(clean_up: dict[Any, Any]) -> None:
    triggers = clean_up[True]  # what YAML 1.1 makes of `on`
    (schedule,) = triggers["schedule"]
    hours = schedule["cron"].split()[1]
    assert hours.startswith("*/")
    assert int(hours.removeprefix("*/")) <= 6, "a forgotten cluster costs a quarter of a day at most"
    assert "github.event_name == 'schedule'" in clean_up["jobs"]["expired"]["if"]
    commands = [step.get("run", "") for step in clean_up["jobs"]["expired"]["steps"]]
    assert any("shapebench janitor --yes" in command for command in commands)
    assert not any("take_down" in command or "pulumi" in command for command in commands), (
        "a living stack is not destroyed"
    )
    assert "github.event_name == 'workflow_run'" in clean_up["jobs"]["stacks"]["if"]


def queues(name: str) -> set[str]:
    """The groups of a workflow and of its jobs, where what they measure is the stack 8cpu-16gb."""
    whole = workflow(name)
    found = [whole, *whole["jobs"].values()]
    groups = {section["concurrency"]["group"] for section in found if "concurrency" in section}
    return {re.sub(r"\$\{\{.*?\}\}", "8cpu-16gb", group) for group in groups}


def test_it_shares_no_queue_with_measurements(clean_up: dict[Any, Any]) -> None:
    assert not queues("clean-up") & (queues("measure") | queues("measure-pull-request"))
    assert clean_up["concurrency"]["cancel-in-progress"] is False


def test_two_measurements_of_one_stack_wait_for_each_other() -> None:
    assert queues("measure") == queues("measure-pull-request") == {"measure 8cpu-16gb"}


def test_it_follows_every_workflow_that_measures(clean_up: dict[Any, Any]) -> None:
    names = [workflow(name)["name"] for name in ("measure", "measure-pull-request")]
    assert clean_up[True]["workflow_run"]["workflows"] == names


def test_a_fork_cannot_make_it_destroy_anything(clean_up: dict[Any, Any]) -> None:
    assert "workflow_run.head_repository.full_name == github.repository" in clean_up["jobs"]["stacks"]["if"]


GH = """case "$*" in
*"run list"*measure.yml*) echo 2 ;;
*"run list"*) ;;
*"run view 1 "*) printf 'measure 2cpu-4gb\\nmeasure 8cpu-16gb\\nmeasure nothing\\nmeasure local\\n' ;;
*"run view 2 "*) echo 'measure 8cpu-16gb' ;;
esac | sed 's/^measure //'"""


def test_the_stacks_of_a_run_are_destroyed_unless_another_run_measures_them(tmp_path: Path) -> None:
    write_script(tmp_path / "gh", GH)
    done = subprocess.run(
        [ROOT / "tools/measured_stacks", "1"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_REPOSITORY": "acme/shapebench"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == ["2cpu-4gb"]
    assert "stack 8cpu-16gb is being measured again" in done.stderr
    assert "'nothing' is not a GKE stack" in done.stderr


@pytest.mark.parametrize("name", ["measure", "measure-pull-request"])
def test_the_job_that_measures_is_named_after_its_stack(name: str) -> None:
    title = re.sub(r"\$\{\{.*?\}\}", "8cpu-16gb", workflow(name)["jobs"]["measure"]["name"])
    assert title == "measure 8cpu-16gb"
