"""The control groups of a node: made below one group of its own, and removed when nothing runs in them."""

import contextlib
import os
from pathlib import Path

PREFIX = "shapebench-node-"
HIERARCHIES = Path("/sys/fs/cgroup")


def hierarchies(mount: Path = HIERARCHIES) -> list[Path]:
    """The root of every hierarchy that a kubelet looks at: one in version 2, one a controller in version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [
        each
        for each in sorted(mount.iterdir())
        if (each / "cgroup.procs").exists() and not (each / "cgroup.controllers").exists()
    ]


def group_of(starter: int) -> str:
    """The group of the node that this process started."""
    return f"{PREFIX}{starter}"


def make(group: str, mount: Path = HIERARCHIES) -> None:
    """Make the group in every hierarchy, as a kubelet wants its own root to be."""
    for hierarchy in hierarchies(mount):
        folder = hierarchy / group
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a group takes no process before it has both.
            if (hierarchy / setting).exists():
                (folder / setting).write_text((hierarchy / setting).read_text())


def remove(group: str, mount: Path = HIERARCHIES) -> None:
    """Remove a group with those below it, as far as nothing runs in them."""
    for hierarchy in hierarchies(mount):
        for folder, _, _ in os.walk(hierarchy / group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def remove_abandoned(mount: Path = HIERARCHIES) -> None:
    """Remove what nodes left behind whose starter is gone."""
    for hierarchy in hierarchies(mount):
        for folder in hierarchy.glob(f"{PREFIX}*"):
            if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
                remove(folder.name, mount)
