"""Builds a node's programs from pinned Go modules, and extracts the container runtime from Debian packages."""

import os
import shutil
from pathlib import Path

from tests.support.kubernetes import debian
from tests.support.kubernetes.binaries import bin_folder, build_servers
from tools import gobuild
from tools.console import SetupError, say
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

# Built from tests/support/kubernetes/servers, and each from a module beside it: this folder, and this package.
_SERVERS = ("kubelet", "kube-proxy")
_MODULES = {
    "coredns": ("dns", "."),
    "pause": ("pause", "."),
    "metrics-server": ("metrics", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
}
PROGRAMS = (*_SERVERS, *_MODULES)

_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    # What iptables is linked with.
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libxtables12",
    # What runc is linked with.
    "libseccomp2",
)


def debian_folder(root: Path) -> Path:
    """The folder of the unpacked Debian packages."""
    return root / ".tools/kubernetes/debian"


def node_is_installed(root: Path) -> bool:
    """Whether every program exists and was built from the current modules."""
    whole = all(os.access(bin_folder(root) / name, os.X_OK) for name in PROGRAMS)
    return whole and debian_folder(root).is_dir() and read_stamp(_stamp(root)).get("key") == _key(root)


def ensure_node(root: Path) -> bool:
    """Build or fetch what is missing or outdated, except the control plane; returns whether anything was."""
    if node_is_installed(root):
        return False
    with unfinished_folder(root) as scratch:
        # First what takes seconds and can fail.
        _unpack_runtime(root, scratch / "debian")
        built = scratch / "bin"
        built.mkdir()
        build_servers(root, _SERVERS, built)
        for name, (module, package) in _MODULES.items():
            gobuild.compile_package(
                f"building {name} with Go",
                package,
                module=root / "tests/support/kubernetes" / module,
                variables={},
                into=built / name,
                log=root / f".tools/log/build-{name}.log",
            )
        _stamp(root).unlink(missing_ok=True)
        for program in built.iterdir():
            program.replace(bin_folder(root) / program.name)
        shutil.rmtree(debian_folder(root), ignore_errors=True)
        (scratch / "debian").replace(debian_folder(root))
        write_stamp(_stamp(root), {"key": _key(root)})
    return True


def _unpack_runtime(root: Path, into: Path) -> None:
    say(f"fetching Debian's packages {', '.join(_PACKAGES[:4])}")
    log = root / ".tools/log/node-packages.log"
    if not debian.extract(_PACKAGES, into, log):
        raise SetupError(
            f"Debian's packages of the container runtime cannot be fetched with apt-get (see {log}), so no node can be "
            "set up. Run `apt-get update` as root, then run it again; on another distribution use a Debian container."
        )
    # Installing the package would create these links.
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (into / "usr/sbin" / (name + suffix)).symlink_to("xtables-nft-multi")


def _stamp(root: Path) -> Path:
    return root / ".tools/kubernetes/node.stamp"


def _key(root: Path) -> str:
    modules = [
        root / "tests/support/kubernetes" / name for name in ("servers", *(module for module, _ in _MODULES.values()))
    ]
    return content_key((path for module in modules for path in module.iterdir()), *PROGRAMS, *_PACKAGES)
