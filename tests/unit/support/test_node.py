import json
import os
import platform
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.support.kubernetes.binaries import bin_folder
from tests.support.node import cgroups, configuration, obstacles, programs
from tests.support.scripts import write_script
from tools.pins import ROOT
from tools.stamps import write_stamp


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout with a file for each program of a node, and a current stamp."""
    shutil.copytree(ROOT / "tests/support/kubernetes", checkout / "tests/support/kubernetes")
    for name in programs.PROGRAMS:
        write_script(bin_folder(checkout) / name, "exit 1")
    programs.debian_folder(checkout).mkdir(parents=True)
    write_stamp(checkout / ".tools/kubernetes/node.stamp", {"key": programs._key(checkout)})
    return checkout


def test_installed_programs_are_not_built_again(installed: Path):
    assert programs.node_is_installed(installed)
    assert not programs.ensure_node(installed)


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_a_missing_program_counts_as_not_installed(installed: Path, name: str):
    (bin_folder(installed) / name).unlink()
    assert not programs.node_is_installed(installed)


@pytest.mark.parametrize("file", ["servers/go.sum", "dns/main.go", "pause/main.go"])
def test_a_changed_module_counts_as_not_installed(installed: Path, file: str):
    with (installed / "tests/support/kubernetes" / file).open("a") as changed:
        changed.write("\n")
    assert not programs.node_is_installed(installed)


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    for controller in ("cpuset", "memory"):
        folder = tmp_path / controller
        folder.mkdir()
        (folder / "cgroup.procs").touch()
    for setting in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "cpuset" / setting).write_text("0-1\n")
    unified = tmp_path / "unified"
    unified.mkdir()
    for name in ("cgroup.procs", "cgroup.controllers"):
        (unified / name).touch()
    return tmp_path


def test_a_group_is_created_in_every_hierarchy_of_version_1_with_its_cpu_sets(version_1: Path):
    cgroups.make("shapebench-node-1", version_1)
    assert (version_1 / "memory/shapebench-node-1").is_dir()
    assert (version_1 / "cpuset/shapebench-node-1/cpuset.cpus").read_text() == "0-1\n"
    assert not (version_1 / "unified/shapebench-node-1").exists()


def test_in_version_2_a_group_is_created_in_the_one_hierarchy(tmp_path: Path):
    (tmp_path / "cgroup.controllers").touch()
    cgroups.make("shapebench-node-1", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["shapebench-node-1"]


def test_only_groups_whose_starting_process_has_ended_are_removed(version_1: Path):
    mine, gone = cgroups.group_of(os.getpid()), cgroups.group_of(2**22 + 1)
    for group in (mine, gone, "somebody-elses"):
        (version_1 / "memory" / group / "kubepods/pod1").mkdir(parents=True)
    cgroups.remove_abandoned(version_1)
    assert {path.name for path in (version_1 / "memory").iterdir() if path.is_dir()} == {mine, "somebody-elses"}


def test_containerd_is_configured_with_the_programs_in_the_unpacked_packages():
    settings = tomllib.loads(configuration.containerd())["plugins"]["io.containerd.grpc.v1.cri"]
    assert settings["cni"]["bin_dir"].startswith("/run/toolchain/debian/")
    runc = settings["containerd"]["runtimes"]["runc"]["options"]["BinaryName"]
    assert runc.startswith("/run/toolchain/debian/")


def test_the_kubelet_refuses_anonymous_requests():
    settings = json.loads(configuration.kubelet("198.18.0.2", "group"))
    assert settings["authentication"]["anonymous"] == {"enabled": False}
    assert settings["authorization"] == {"mode": "Webhook"}
    assert settings["cgroupRoot"] == "/group"


def test_another_system_than_linux_is_an_obstacle(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "this is Darwin" in (obstacles.why_no_node_can_run() or "")


def test_another_user_than_root_is_an_obstacle(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run it as root" in (obstacles.why_no_node_can_run() or "")


def test_missing_programs_are_an_obstacle_named_by_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = obstacles.why_no_node_can_run() or ""
    assert "apt, dpkg, iproute2, util-linux" in reason


def test_a_root_without_the_right_to_create_namespaces_is_an_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in (*obstacles._TOOLS, *obstacles._DEBIAN_TOOLS):
        write_script(tmp_path / name, "echo 'Operation not permitted' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    reason = obstacles.why_no_node_can_run() or ""
    assert "Operation not permitted" in reason
    assert "privileged" in reason
