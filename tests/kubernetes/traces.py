"""What a node that one process started leaves visible on the machine: processes, a cable, control groups."""

import contextlib
import subprocess
from pathlib import Path

import psutil

from tests.support.node import cgroups


def network_of(starter: int) -> Path:
    """The network that the programs are in which this process started."""
    ours = Path("/proc/self/ns/net").readlink()
    for process in psutil.Process(starter).children(recursive=True):
        with contextlib.suppress(OSError):
            if (theirs := Path(f"/proc/{process.pid}/ns/net").readlink()) != ours:
                return theirs
    raise AssertionError(f"process {starter} has started nothing in a network of its own")


def processes_of(starter: int, network: Path) -> set[str]:
    """The names of all that run in the node's network or in its control group, containers included."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            groups = Path(f"/proc/{process.pid}/cgroup").read_text()
            in_network = Path(f"/proc/{process.pid}/ns/net").readlink() == network
            if in_network or f"/{cgroups.group_of(starter)}/" in groups:
                found.add(process.name())
    return found


def cables() -> set[str]:
    """The virtual cables that lead to nodes."""
    shown = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split("@")[0] for line in shown.splitlines() if line.startswith("shapebench")}


def mounts_below(folder: Path) -> list[str]:
    """What is mounted below a folder, as this machine sees it."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {folder}" in line]


def control_groups(starter: int) -> list[Path]:
    """The control groups of the node that the process started."""
    groups = [hierarchy / cgroups.group_of(starter) for hierarchy in cgroups.hierarchies()]
    return [group for group in groups if group.exists()]
