"""What all modules of this tier need before any of them is imported."""

import shutil
import sys
from pathlib import Path

import pytest

from tools.pins import ROOT

# One pytest process imports both Google's client of its catalogue and Pulumi's providers, which no program of ours
# does. Each brings a `google.rpc.Status` of its own, and protobuf takes only one. Google's comes with `grpc_status`,
# for errors over gRPC; its client does without where that is missing, and ours asks over REST.
sys.modules["grpc_status"] = None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose path has a space in it, with what setting up reads."""
    root = tmp_path / "a checkout"
    (root / "tools/go").mkdir(parents=True)
    for name in ("env.sh", "versions.toml", "go/go.mod"):
        shutil.copy(ROOT / "tools" / name, root / "tools" / name)
    return root


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def pulumi_at():
    """Makes a folder with a Pulumi that says a version, and its Python host; returns an environment that has it."""

    def make(folder: Path, version: str) -> dict[str, str]:
        executable(folder / "pulumi", f"echo {version}")
        executable(folder / "pulumi-language-python", "exit 1")
        executable(folder / "pulumi-language-python-exec", "exit 1")
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return make


@pytest.fixture
def script_at():
    """Writes an executable shell script."""
    return executable
