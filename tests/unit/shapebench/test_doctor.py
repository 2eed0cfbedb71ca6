import json
import os
import socket
from importlib import metadata
from pathlib import Path

import pytest

from shapebench.commands.setup import doctor
from shapebench.commands.setup.doctor import diagnose
from shapebench.commands.setup.doctor_google import Finding, google_findings
from tests.support.scripts import write_pulumi, write_script
from tools.pins import ROOT


@pytest.fixture
def nothing_installed(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh checkout of somebody who has no Pulumi and has chosen no backend."""
    requirements = checkout / "tools/requirements"
    requirements.mkdir()
    for tier in ("run", "dev", "policy"):
        (requirements / f"{tier}.txt").write_text((ROOT / f"tools/requirements/{tier}.txt").read_text())
    for variable in [each for each in os.environ if each.startswith(("PULUMI_", "SHAPEBENCH_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return checkout


def found(root: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(root)}


def test_what_a_fresh_checkout_lacks_is_named_with_the_command_that_mends_it(nothing_installed: Path, capsys):
    findings = found(nothing_installed)
    for what in ("Python packages", "pulumi", "Python language host", "stack local"):
        assert (findings[what].state, findings[what].fix) == ("missing", "make setup")
    assert findings["Go"].state == "optional"
    assert (findings["policy pack"].state, findings["policy pack"].fix) == ("optional", "make setup-policy")
    assert findings["backend"].found == ".state/ in this checkout, an empty passphrase"
    assert doctor.doctor(nothing_installed) == 1
    assert "make setup" in capsys.readouterr().out


def test_a_pulumi_of_the_users_own_is_found_with_its_version(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", write_pulumi(tmp_path / "own", "v3.300.0")["PATH"])
    findings = found(nothing_installed)
    assert findings["pulumi"] == Finding("pulumi", "ok", f"3.300.0, your own ({tmp_path}/own/pulumi)")
    assert findings["Python language host"].state == "ok"


@pytest.mark.parametrize(
    ("variables", "state", "said"),
    [
        ({}, "note", "no passphrase"),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "note", "an empty passphrase"),
        ({"PULUMI_CONFIG_PASSPHRASE": "hunter2"}, "ok", "your passphrase"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/their/file"}, "ok", "file:///theirs"),
    ],
)
def test_a_backend_of_files_needs_a_passphrase(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], state: str, said: str
):
    for name, value in {"PULUMI_BACKEND_URL": "file:///theirs", **variables}.items():
        monkeypatch.setenv(name, value)
    backend = found(nothing_installed)["backend"]
    assert backend.state == state
    assert said in backend.found
    assert "PULUMI_CONFIG_PASSPHRASE" in backend.fix or state == "ok"
    assert "hunter2" not in str(backend)


def test_a_backend_is_shown_without_its_secrets(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://user:hunter2@example.org/state?token=hunter3")
    assert found(nothing_installed)["backend"].found == "yours, https://example.org/state"
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "hunter2")
    findings = diagnose(nothing_installed)
    assert "hunter" not in str(findings)
    assert "yours, by PULUMI_ACCESS_TOKEN" in str(findings)


@pytest.mark.parametrize(
    ("checkpoint", "state", "shown"),
    [
        ({"latest": {"resources": [{}, {}, {}]}}, "ok", "2 resources"),
        ({"latest": None}, "ok", "nothing brought up"),
        ({"latest": {"resources": [], "pending_operations": [{}]}}, "note", "an update was interrupted"),
        (None, "missing", "its state cannot be read"),
    ],
)
def test_the_state_of_a_stack_is_shown(nothing_installed: Path, checkpoint, state: str, shown: str):
    stacks = nothing_installed / ".state/.pulumi/stacks/shapebench"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text(json.dumps({"checkpoint": checkpoint}))
    finding = found(nothing_installed)["stack local"]
    assert finding.state == state
    assert shown in finding.found


def test_a_stack_with_a_lock_left_behind_is_shown_with_its_remedy(nothing_installed: Path):
    state = nothing_installed / ".state/.pulumi"
    for path in ("stacks/shapebench/local.json", "locks/organization/shapebench/local/lock.json"):
        (state / path).parent.mkdir(parents=True)
        (state / path).write_text('{"checkpoint": {"latest": {}}}')
    assert "pulumi cancel --stack local" in found(nothing_installed)["stack local"].fix


def test_a_port_taken_by_another_program_is_shown_with_its_process():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        finding = doctor._port(port, "REST")
        assert finding.state == "note"
        assert f"process {os.getpid()}" in finding.found
        assert "shapebench:local.restPort" in finding.fix
    assert doctor._port(port, "REST").state == "ok"


@pytest.mark.parametrize(
    ("what", "fix"),
    [
        ("gcloud", "cloud.google.com/sdk"),
        ("gke-gcloud-auth-plugin", "apt-get install google-cloud-cli-gke-gcloud-auth-plugin"),
        ("Google credentials", "gcloud auth application-default login"),
        ("Pulumi's gcp plugin", "pulumi plugin install resource gcp"),
        ("Pulumi's kubernetes plugin", "pulumi plugin install resource kubernetes"),
    ],
)
def test_what_only_gke_stacks_need_is_optional_and_comes_with_its_fix(tmp_path: Path, what: str, fix: str):
    findings = {
        google_finding.what: google_finding
        for google_finding in google_findings({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    }
    assert findings[what].state == "optional"
    assert "for GKE stacks" in findings[what].fix
    assert fix in findings[what].fix


def test_what_gke_stacks_need_is_found_where_it_is_installed(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for program in ("gcloud", "gke-gcloud-auth-plugin"):
        write_script(tmp_path / "bin" / program, "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    for plugin in ("gcp", "kubernetes"):
        version = metadata.version(f"pulumi-{plugin}")
        (tmp_path / f".pulumi/plugins/resource-{plugin}-v{version}").mkdir(parents=True)
    credentials = tmp_path / ".config/gcloud/application_default_credentials.json"
    credentials.parent.mkdir(parents=True)
    credentials.write_text('{"type": "authorized_user", "refresh_token": "hunter2"}')
    findings = found(nothing_installed)
    for what in (
        "gcloud",
        "gke-gcloud-auth-plugin",
        "Google credentials",
        "Pulumi's gcp plugin",
        "Pulumi's kubernetes plugin",
    ):
        assert findings[what].state == "ok"
    assert findings["Google credentials"].found.startswith("authorized_user")
    assert "hunter2" not in str(findings)


@pytest.mark.parametrize("content", [None, "no JSON", "{}", "[]"])
def test_credentials_that_cannot_be_used_are_named(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
):
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    finding = found(nothing_installed)["Google credentials"]
    assert finding.state == "note"
    assert str(path) in finding.found
    assert "gcloud auth application-default login" in finding.fix
