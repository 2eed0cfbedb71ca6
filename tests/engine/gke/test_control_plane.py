"""The control plane as a program: up from the shell, and gone with whoever started it."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.engine.harness import eventually, started_cluster
from tests.support.kubernetes.control_plane import ControlPlane
from tools.console import SetupError

SERVERS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


@pytest.fixture
def started(tmp_path: Path):
    folder = tmp_path / "data"
    with started_cluster("tests.support.kubernetes.control_plane", folder, r"127\.0\.0\.1") as process:
        yield process, folder


def servers_in(folder: Path) -> set[str]:
    found = set()
    for process in psutil.process_iter(["name", "cwd"]):
        # One that ends has no command any more.
        if process.info["cwd"] == str(folder) and (command := process.cmdline()):
            found.add(Path(command[0]).name)
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_its_servers_end_with_it(started, end: signal.Signals):
    process, folder = started
    assert servers_in(folder) == SERVERS
    os.kill(process.pid, end)
    process.wait(timeout=30)
    eventually(lambda: not servers_in(folder), "no server runs", within_s=20)


def test_it_tells_its_true_version_and_keeps_its_tokens_to_itself(control_plane: ControlPlane, api):
    answer = api.call_api(*api.param_serialize("GET", "/version", auth_settings=["BearerToken"]))
    assert json.loads(answer.read())["gitVersion"] == "v1.34.4"
    for path in (control_plane.kubeconfig, control_plane.folder / "tokens.csv"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="is not empty and not a control plane's"):
        ControlPlane(tmp_path).start()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
