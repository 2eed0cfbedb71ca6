"""Creates the control group of a node, and removes it with the groups below it."""

import contextlib
import os
from pathlib import Path

PREFIX = "shapebench-node-"
HIERARCHIES = Path("/sys/fs/cgroup")


def hierarchies(mount: Path = HIERARCHIES) -> list[Path]:
    """The roots of the hierarchies that a kubelet uses: one in version 2, one for each controller in version 1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [
        path
        for path in sorted(mount.iterdir())
        if (path / "cgroup.procs").exists() and not (path / "cgroup.controllers").exists()
    ]


def group_of(starter: int) -> str:
    """The name of the group of the node that this process started."""
    return f"{PREFIX}{starter}"


def make(group: str, mount: Path = HIERARCHIES) -> None:
    """Create the group in every hierarchy, as a kubelet requires of its root group."""
    for hierarchy in hierarchies(mount):
        folder = hierarchy / group
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a group accepts processes only after both are set.
            if (hierarchy / setting).exists():
                (folder / setting).write_text((hierarchy / setting).read_text())


def remove(group: str, mount: Path = HIERARCHIES) -> None:
    """Remove a group and the groups below it; those in which something runs stay."""
    for hierarchy in hierarchies(mount):
        for folder, _, _ in os.walk(hierarchy / group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def remove_abandoned(mount: Path = HIERARCHIES) -> None:
    """Remove the groups of nodes whose starting process has ended."""
    for hierarchy in hierarchies(mount):
        for folder in hierarchy.glob(f"{PREFIX}*"):
            if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
                remove(folder.name, mount)
