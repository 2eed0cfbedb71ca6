"""Locust and this project's own packages stay out of each other's processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loadtest.generator.plan import PLAN_VARIABLE
from tests.unit.loadtest.plans import write_plan
from tools.pins import ROOT


def modules_after(statement: str, variables: dict[str, str] | None = None) -> set[str]:
    program = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | (variables or {}), check=True, capture_output=True
    ).stdout
    return {name.partition(".")[0] for name in json.loads(printed)}


def test_the_runner_does_not_import_locust_which_would_patch_its_process() -> None:
    assert not modules_after("import loadtest.run.runner, loadtest.run.payload") & {"locust", "gevent"}


def test_what_runs_in_locust_needs_nothing_that_the_official_image_lacks(tmp_path: Path) -> None:
    modules = modules_after("import loadtest.generator.locustfile", {PLAN_VARIABLE: str(write_plan(tmp_path))})
    assert "locust" in modules
    assert not modules & {"analysis", "stacks", "serving", "provider", "pydantic", "numpy", "pyarrow", "pulumi", "PIL"}
