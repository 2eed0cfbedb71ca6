import os
import shutil
import subprocess
from pathlib import Path

from tools.pins import ROOT

# Programs that say what they were asked; `pulumi` also knows the outputs of a stack.
ASKED = 'echo "$(basename "$0") $*" >> asked'
PULUMI = f"""{ASKED}
case "$3" in restUrl) echo http://127.0.0.1:18501 ;; serverPid) echo 4711 ;; esac"""


def test_the_demo_ends_by_saying_where_the_server_runs_and_how_to_end_it(tmp_path: Path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = {"tools/setup": "", "bin/python": ASKED, "bin/shapebench": ASKED, "bin/pulumi": PULUMI}
    for name, script in programs.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tools/env.sh").touch()
    # As typed, not as a part of `make test-unit`, of which make would print that it leaves its folder.
    own = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    environment = own | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["make", "demo"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:4] == [
        "python -m tools.stack local",
        "pulumi up --stack local --yes",
        "shapebench runs",
        "shapebench report --p90 2s",
    ]
    assert done.stdout.splitlines()[-3:] == [
        "The server still runs at http://127.0.0.1:18501, process 4711.",
        "To end it: . tools/env.sh && pulumi destroy --stack local --yes",
        "Runs and report stay, in results/ and report/.",
    ]
