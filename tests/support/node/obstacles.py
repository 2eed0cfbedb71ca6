"""Finds out why no node can run on this machine, before one is built or started."""

import os
import platform
import shutil
import subprocess

from tests.support.node import cgroups

_TOOLS = {"ip": "iproute2", "nsenter": "util-linux", "setpriv": "util-linux", "unshare": "util-linux"}
_DEBIAN_TOOLS = {"apt-get": "apt", "dpkg-deb": "dpkg"}


def why_no_node_can_run() -> str | None:
    """The reason and what to do about it; None if a node can run."""
    if platform.system() != "Linux":
        return f"containers need Linux, and this is {platform.system()}; use a Linux machine"
    if os.geteuid() != 0:
        return "only root may create network namespaces, and this is another user; run it as root"
    missing = [package for tool, package in (_TOOLS | _DEBIAN_TOOLS).items() if shutil.which(tool) is None]
    if missing:
        return f"programs are missing; install Debian's packages {', '.join(sorted(set(missing)))}"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        return f"root may not create namespaces here ({tried.stderr.strip()}); a container has to be privileged"
    return _why_no_control_groups()


def _why_no_control_groups() -> str | None:
    group = cgroups.group_of(os.getpid())
    try:
        cgroups.make(group)
    except OSError as error:
        return f"control groups cannot be created ({error}); a container has to be privileged"
    finally:
        cgroups.remove(group)
    return None
