"""Locust and this project's own packages stay out of each other's processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loadtest.plan import PLAN_VARIABLE, Plan

ROOT = Path(__file__).parents[3]


def modules_after(statement: str, variables: dict[str, str] | None = None) -> set[str]:
    program = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | (variables or {}), check=True, capture_output=True
    ).stdout
    return {name.partition(".")[0] for name in json.loads(printed)}


def test_the_runner_does_not_import_locust_which_would_patch_its_process() -> None:
    assert not modules_after("import loadtest.runner, loadtest.payload") & {"locust", "gevent"}


def test_what_runs_in_locust_needs_nothing_that_the_official_image_lacks(tmp_path: Path) -> None:
    (tmp_path / "request.body").touch()
    Plan(
        protocol="rest",
        base_url="http://127.0.0.1:1",
        model_name="resnet",
        body_path=str(tmp_path / "request.body"),
        expected_shape=(1, 3),
        users=1,
        spawn_rate_per_s=1,
        wait_s=0,
        warmup_s=0,
        ramp_s=1,
        duration_s=1,
        spool_path=str(tmp_path / "rows.csv"),
        parent_pid=None,
    ).write(tmp_path / "plan.json")
    modules = modules_after("import loadtest.locustfile", {PLAN_VARIABLE: str(tmp_path / "plan.json")})
    assert "locust" in modules
    assert not modules & {"analysis", "stacks", "serving", "provider", "pydantic", "numpy", "pyarrow", "pulumi", "PIL"}
