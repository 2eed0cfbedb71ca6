"""What more than one room of the unit tests needs."""

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tools.pins import ROOT

# One pytest process imports both Google's catalogue client and Pulumi's providers, which no program does. Each defines
# `google.rpc.Status`, and protobuf accepts only one definition. Google's comes with `grpc_status`, which its client
# does not need over REST.
sys.modules["grpc_status"] = None

# No test is timed: on a busy machine an example takes longer than the 200 ms that Hypothesis allows.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# `--hypothesis-profile=long`, of the tests that fuzz.
settings.register_profile("long", max_examples=3000, deadline=None)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the files that `make setup` reads; its path holds a space."""
    root = tmp_path / "a checkout"
    (root / "tools/go").mkdir(parents=True)
    for name in ("env.sh", "versions.toml", "go/go.mod"):
        shutil.copy(ROOT / "tools" / name, root / "tools" / name)
    return root
