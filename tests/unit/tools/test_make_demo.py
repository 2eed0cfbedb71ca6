import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from sweep.asked import read_settings
from tools.pins import ROOT

# Says what it was asked; a sweep ends with the exit code of the test.
SHAPEBENCH = """echo "shapebench $*" >> asked
if [ "$1" = sweep ]; then exit "$SWEEP_ENDS_WITH"; fi"""


def demo(folder: Path, sweep_ends_with: int) -> "subprocess.CompletedProcess[str]":
    shutil.copy(ROOT / "Makefile", folder)
    for name, script in {"tools/setup": "", "bin/shapebench": SHAPEBENCH}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "tools/env.sh").touch()
    # As typed, not as a part of `make test-unit`, of which make would print that it leaves its folder.
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    environment = own | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "SWEEP_ENDS_WITH": str(sweep_ends_with),
    }
    return subprocess.run(["make", "demo"], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_demo_is_a_sweep_that_ends_as_a_rehearsal_and_leaves_nothing_running(tmp_path: Path):
    done = demo(tmp_path, sweep_ends_with=5)
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "asked").read_text().splitlines()
    assert commands == ["shapebench sweep --file tools/demo.yaml", "shapebench runs"]
    assert done.stdout.splitlines()[0].endswith("then measures for five minutes.")
    assert done.stdout.splitlines()[-2].startswith("Nothing runs any more.")
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("code", [1, 4, 6])
def test_a_demo_whose_sweep_fails_fails(tmp_path: Path, code: int):
    done = demo(tmp_path, code)
    assert done.returncode != 0
    assert "Nothing runs any more" not in done.stdout


def test_the_demo_compares_two_servers_on_the_stack_local():
    candidates = read_settings(ROOT / "tools/demo.yaml", {}).candidates
    assert [(candidate.stack, candidate.server) for candidate in candidates] == [
        ("local", "embedded"),
        ("local", "onnxruntime"),
    ]


def test_the_searches_of_the_demo_take_no_longer_than_it_says():
    demo = yaml.safe_load((ROOT / "tools/demo.yaml").read_text())
    around_a_search_s = 30  # starting the server, warming it up, destroying it
    assert len(demo["server"]) * demo["blocks"] * (demo["load"]["durationS"] + around_a_search_s) == 5 * 60
