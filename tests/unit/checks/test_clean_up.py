"""The clean-up workflow: when it runs, and that no measurement can push it out of a queue."""

from typing import Any

import pytest
import yaml

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
    assert any("shapebench janitor --yes" in each for each in commands)
    assert not any("take_down" in each or "pulumi" in each for each in commands), "a living stack is not destroyed"
    assert "github.event_name == 'workflow_run'" in clean_up["jobs"]["stack"]["if"]


def test_it_shares_no_queue_with_measurements(clean_up: dict[Any, Any]) -> None:
    def queue(name: str, title: str) -> str:
        group: str = workflow(name)["concurrency"]["group"]
        for expression in ("${{ inputs.stack }}", "${{ github.event.workflow_run.display_title }}"):
            group = group.replace(expression, title)
        return group

    title = workflow("measure")["run-name"].replace("${{ inputs.stack }}", "8cpu-16gb")
    assert queue("clean-up", title) != queue("measure", "8cpu-16gb")
    assert not any("concurrency" in job for job in clean_up["jobs"].values())
    assert clean_up["concurrency"]["cancel-in-progress"] is False


def test_a_stack_that_is_measured_again_is_left_to_that_run(clean_up: dict[Any, Any]) -> None:
    (asked,) = (step["run"] for step in clean_up["jobs"]["stack"]["steps"] if "run" in step)
    assert "--workflow measure.yml --status in_progress" in asked
    assert clean_up["jobs"]["destroy"]["if"] == "needs.stack.outputs.name"
