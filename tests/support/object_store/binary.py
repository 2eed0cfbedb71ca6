"""Builds the object-store server from the Go modules that `server/go.sum` pins."""

import os
from pathlib import Path

from tools import gobuild
from tools.console import SetupError
from tools.pins import show_version
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

_PACKAGE = "github.com/fsouza/fake-gcs-server"


def program(root: Path) -> Path:
    """The server. It is not on PATH, so that only tests use it."""
    return root / ".tools/object-store/fake-gcs-server"


def object_store_is_installed(root: Path) -> bool:
    """Whether the server was built from the current modules."""
    return os.access(program(root), os.X_OK) and read_stamp(_stamp(root)).get("key") == _key(root)


def ensure_object_store(root: Path) -> bool:
    """Build the server if it is missing or outdated; returns whether it was."""
    if object_store_is_installed(root):
        return False
    if obstacle := gobuild.why_go_cannot(root):
        raise SetupError(
            f"the object-store server is built from Go modules, but {obstacle}, so the tests of a results store in a"
            f" bucket cannot run. Install Go {show_version(gobuild.go_needed(root))} or later (https://go.dev/dl/),"
            " then run it again."
        )
    module = root / "tests/support/object_store/server"
    version = gobuild.module_field(module, _PACKAGE, "Version")
    with unfinished_folder(root) as scratch:
        built = scratch / program(root).name
        gobuild.compile_package(f"building {built.name} {version} with Go", _PACKAGE, module=module, variables={},
                                into=built, log=root / f".tools/log/build-{built.name}.log")  # fmt: skip
        program(root).parent.mkdir(parents=True, exist_ok=True)
        _stamp(root).unlink(missing_ok=True)
        built.replace(program(root))
        write_stamp(_stamp(root), {"key": _key(root)})
    return True


def _stamp(root: Path) -> Path:
    return root / ".tools/object-store/program.stamp"


def _key(root: Path) -> str:
    return content_key((root / "tests/support/object_store/server").iterdir())
