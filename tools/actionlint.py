"""Builds actionlint, the linter of the workflows, from the Go module that `tools/lint/go.sum` pins."""

import os
from pathlib import Path

from tools import gobuild
from tools.console import say
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

_PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def program(root: Path) -> Path:
    """The path of the program, which exists if it has been built."""
    return root / ".tools/bin/actionlint"


def ensure_actionlint(root: Path) -> bool:
    """Build actionlint if it is missing or outdated and Go can build it; returns whether it was built."""
    stamp, key = root / ".tools/actionlint.stamp", content_key((root / "tools/lint").iterdir())
    if os.access(program(root), os.X_OK) and read_stamp(stamp).get("key") == key:
        return False
    obstacle = gobuild.why_go_cannot(root)
    if obstacle is not None:
        say(f"the workflows will be checked without actionlint: {obstacle}")
        return False
    with unfinished_folder(root) as scratch:
        gobuild.compile_package(
            "building actionlint with Go",
            _PACKAGE,
            module=root / "tools/lint",
            variables={},
            into=scratch / "actionlint",
            log=root / ".tools/log/build-actionlint.log",
        )
        program(root).parent.mkdir(exist_ok=True)
        (scratch / "actionlint").replace(program(root))
    write_stamp(stamp, {"key": key})
    return True
