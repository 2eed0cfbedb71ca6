"""Builds Kubernetes' servers and Pulumi's provider for it from the Go modules pinned beside this; fetches etcd."""

import json
import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.support.kubernetes import debian
from tools import gobuild
from tools.console import SetupError, say
from tools.pins import show_version
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PROVIDER = "pulumi-resource-kubernetes"
_KUBERNETES = "k8s.io/kubernetes"
# Both hold the version: the first is what a server answers, the second what its clients call themselves.
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_DEBIAN_ETCD = "etcd-server"


def bin_folder(root: Path) -> Path:
    """The folder of the programs. It is not on PATH, so that only tests use them."""
    return root / ".tools/kubernetes/bin"


def kubernetes_is_installed(root: Path) -> bool:
    """Whether every program exists and was built from the current modules."""
    whole = all(os.access(bin_folder(root) / name, os.X_OK) for name in (*SERVERS, PROVIDER))
    return whole and etcd_program(root) is not None and read_stamp(_stamp(root)).get("key") == _key(root)


def etcd_program(root: Path) -> str | None:
    """The etcd to start: this checkout's, or the one on PATH."""
    return shutil.which("etcd", path=f"{bin_folder(root)}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def ensure_kubernetes(root: Path) -> bool:
    """Build or fetch what is missing or outdated; returns whether anything was."""
    if kubernetes_is_installed(root):
        return False
    _require_linux_and_go(root)
    with unfinished_folder(root) as scratch:
        # First what takes seconds and can fail.
        programs = [] if etcd_program(root) else [_extract_etcd(root, scratch)]
        built = scratch / "bin"
        built.mkdir()
        build_servers(root, SERVERS, built)
        _build_provider(root, scratch / "provider", built / PROVIDER)
        target = bin_folder(root)
        target.mkdir(parents=True, exist_ok=True)
        _stamp(root).unlink(missing_ok=True)
        for program in (*programs, *built.iterdir()):
            program.replace(target / program.name)
        write_stamp(_stamp(root), {"key": _key(root)})
    return True


def _require_linux_and_go(root: Path) -> None:
    if platform.system() != "Linux":
        raise SetupError(
            f"Kubernetes' servers run on Linux only, and this is {platform.system()}, so the tests against a real API "
            "server cannot run here; run them in a Linux machine or container"
        )
    obstacle = gobuild.why_go_cannot(root)
    if obstacle is not None:
        raise SetupError(
            f"Kubernetes' servers are built from Go modules, but {obstacle}. Install Go "
            f"{show_version(gobuild.go_needed(root))} or later (https://go.dev/dl/), then run it again."
        )


def build_servers(root: Path, names: Iterable[str], into: Path) -> None:
    """Build these programs of Kubernetes into a folder."""
    module = root / "tests/support/kubernetes/servers"
    version = gobuild.module_field(module, _KUBERNETES, "Version")
    _, minor, _ = version.split(".")
    facts = {"gitVersion": version, "gitMajor": "1", "gitMinor": minor}
    variables = {f"{package}.{name}": value for package in _VERSION_PACKAGES for name, value in facts.items()}
    for server in names:
        gobuild.compile_package(f"building {server} {version} with Go", f"{_KUBERNETES}/cmd/{server}", module=module,
                                variables=variables, into=into / server, log=_log(root, server))  # fmt: skip


def _build_provider(root: Path, scratch: Path, into: Path) -> None:
    """Build in a copy of our module, with the files beside it that its program embeds."""
    module = root / "tests/support/kubernetes/provider"
    version = gobuild.module_field(module, _PROVIDER, "Version").removeprefix("v")
    carried = Path(gobuild.module_field(module, _PROVIDER, "Dir"), "cmd", PROVIDER)
    shutil.copytree(module, scratch)
    schema = json.loads((carried / "schema.json").read_text())
    (scratch / "schema.json").write_text(json.dumps(schema | {"version": version}, separators=(",", ":")))
    (scratch / "terraform-mapping.json").write_bytes((carried / "terraform-mapping.json").read_bytes())
    gobuild.compile_package(
        f"building {PROVIDER} with Go, which takes some minutes",
        ".",
        module=scratch,
        variables={f"{_PROVIDER}/pkg/version.Version": version},
        into=into,
        log=_log(root, PROVIDER),
    )


def _extract_etcd(root: Path, scratch: Path) -> Path:
    say(f"fetching etcd from Debian's package {_DEBIAN_ETCD}")
    log = _log(root, "etcd")
    if not debian.extract([_DEBIAN_ETCD], scratch / "etcd", log):
        raise SetupError(
            f"etcd is missing: none is on PATH, and Debian's package {_DEBIAN_ETCD} cannot be fetched with apt-get "
            f"(see {log}), so no API server can run. Install etcd 3.4 or later, or run `apt-get update` as root, "
            "then run it again."
        )
    return scratch / "etcd/usr/bin/etcd"


def _log(root: Path, name: str) -> Path:
    return root / f".tools/log/build-{name}.log"


def _stamp(root: Path) -> Path:
    return root / ".tools/kubernetes/programs.stamp"


def _key(root: Path) -> str:
    modules = [root / "tests/support/kubernetes" / name for name in ("provider", "servers")]
    return content_key((path for module in modules for path in module.iterdir()), *SERVERS)
