import platform
import re
import shutil
from pathlib import Path

import pytest

from tests.support.kubernetes import binaries
from tests.support.kubernetes.binaries import PROVIDER, SERVERS, bin_folder, ensure_kubernetes, kubernetes_is_installed
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.scripts import write_script
from tools.console import SetupError
from tools.pins import ROOT
from tools.stamps import write_stamp


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout with a file for each program, and a current stamp."""
    shutil.copytree(ROOT / "tests/support/kubernetes", checkout / "tests/support/kubernetes")
    for name in (*SERVERS, PROVIDER, "etcd"):
        write_script(bin_folder(checkout) / name, "exit 1")
    write_stamp(checkout / ".tools/kubernetes/programs.stamp", {"key": binaries._key(checkout)})
    return checkout


def test_kubernetes_libraries_are_pinned_to_the_version_of_the_servers():
    text = (ROOT / "tests/support/kubernetes/servers/go.mod").read_text()
    minor_and_patch = re.search(r"^require k8s.io/kubernetes v1\.(\S+)$", text, re.MULTILINE)
    assert minor_and_patch is not None
    replaced = re.findall(r"^\t(\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) > 20
    assert {(name == by, version) for name, by, version in replaced} == {(True, f"v0.{minor_and_patch[1]}")}


def test_installed_programs_are_not_built_again(installed: Path):
    assert kubernetes_is_installed(installed)
    assert not ensure_kubernetes(installed)


@pytest.mark.parametrize("name", [*SERVERS, PROVIDER])
def test_a_missing_program_counts_as_not_installed(installed: Path, name: str):
    (bin_folder(installed) / name).unlink()
    assert not kubernetes_is_installed(installed)


@pytest.mark.parametrize("file", ["servers/go.sum", "provider/main.go"])
def test_a_changed_module_counts_as_not_installed(installed: Path, file: str):
    with (installed / "tests/support/kubernetes" / file).open("a") as changed:
        changed.write("\n")
    assert not kubernetes_is_installed(installed)


def test_on_another_system_than_linux_it_is_an_error(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(ROOT / "tests/support/kubernetes", checkout / "tests/support/kubernetes")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(SetupError, match="run on Linux only, and this is Darwin"):
        ensure_kubernetes(checkout)
    assert not (checkout / ".tools").exists()


def test_without_etcd_and_apt_the_error_names_what_to_install(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"Install etcd 3\.4 or later"):
        binaries._extract_etcd(checkout, tmp_path)


def test_a_control_plane_without_its_programs_is_an_error_with_the_command_that_builds_them(checkout: Path):
    with pytest.raises(SetupError, match="make setup-kubernetes"):
        ControlPlane(checkout / "data", checkout).start()
