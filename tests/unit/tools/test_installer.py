"""Packages are installed with uv, told what pip is told, and with pip wherever uv cannot."""

import os
import shutil
import sys
import venv
from pathlib import Path

import pytest

from tests.support.scripts import write_script
from tools.console import SetupError
from tools.installer import PipOnlyError, install, pip_settings, uv_variables
from tools.pins import ROOT

SETTINGS = """\
[global]
index-url = https://files.example/simple
timeout = 7
[install]
index-url = https://name:s3cret@index.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
[download]
proxy = http://not-for-install.example
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A checkout's environment whose pip is this one's."""
    venv.create(tmp_path / ".venv", with_pip=False)
    [packages] = (tmp_path / ".venv").glob("lib/python*/site-packages")
    shutil.copytree(Path(sys.prefix, packages.relative_to(tmp_path / ".venv"), "pip"), packages / "pip")
    return tmp_path / ".venv"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}:
            monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(SETTINGS)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


def test_the_settings_are_those_that_pip_itself_would_use(environment: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.setenv("PIP_PROXY", "")
    found = pip_settings(environment, ROOT)
    assert found["index-url"] == "https://name:s3cret@index.example/simple", "of a command, before those of all"
    assert found["timeout"] == "9", "a variable, before a file"
    assert "proxy" not in found, "of another command, and an empty variable"


def test_uv_is_told_what_pip_is_told(environment: Path):
    variables = uv_variables(pip_settings(environment, ROOT), ROOT)
    assert variables["UV_DEFAULT_INDEX"] == "https://name:s3cret@index.example/simple"
    assert variables["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match", "pip looks into all indexes, too"
    assert variables["UV_HTTP_TIMEOUT"] == "7"


def test_folders_of_wheels_that_are_not_there_are_left_out_because_pip_only_warns_of_them(tmp_path: Path):
    (tmp_path / "wheels").mkdir()
    variables = uv_variables({"find-links": f"wheels /gone\nhttps://wheels.example/ {tmp_path}/wheels"}, tmp_path)
    assert variables["UV_FIND_LINKS"] == f"wheels,https://wheels.example/,{tmp_path}/wheels"
    assert "UV_FIND_LINKS" not in uv_variables({"find-links": "/gone"}, tmp_path)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_pip_takes_from_a_variable_are_taken_by_uv(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "/of/the/company.pem")
    assert uv_variables({}, ROOT)["SSL_CERT_FILE"] == "/of/the/company.pem"
    assert uv_variables({"cert": "/of/pip.pem"}, ROOT)["SSL_CERT_FILE"] == "/of/pip.pem"


@pytest.mark.parametrize("option", ["no-index", "no-binary", "constraint", "keyring-provider", "of-a-later-pip"])
def test_a_setting_that_uv_cannot_be_told_means_pip(option: str):
    with pytest.raises(PipOnlyError, match=option):
        uv_variables({option: "x"}, ROOT)


RECORD = """echo "$0 $*" >> {root}/called
env > {root}/environment
case "$*" in *"{fails}"*) echo "no wheel fits"; exit 1;; *"config list"*) cat {root}/settings;; *--target*)
    folder=$(echo "$*" | sed 's/.*--target //; s/ .*//')
    mkdir -p "$folder/bin" && cp {root}/uv "$folder/bin/uv";; esac
"""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A checkout whose Python and uv only record how they were called. Python fails if it is called with `fails`."""
    for name in ("installer", "run"):
        (tmp_path / f"tools/requirements/{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"tools/requirements/{name}.txt").write_text(f"{name}==1 --hash=sha256:{'0' * 64}\n")
    (tmp_path / "settings").write_text("global.index-url='https://name:s3cret@index.example/simple'\n")
    answer(tmp_path)
    write_script(tmp_path / "uv", RECORD.format(root=tmp_path, fails="nothing"))
    return tmp_path


def answer(root: Path, fails: str = "nothing", uv_fails: str = "nothing") -> None:
    write_script(root / ".venv/bin/python", RECORD.format(root=root, fails=fails))
    write_script(root / "uv", RECORD.format(root=root, fails=uv_fails))


def installs(root: Path) -> list[str]:
    install(root, root / ".venv", root / "tools/requirements/run.txt")
    calls = (root / "called").read_text().splitlines()
    (root / "called").unlink()
    return [call.partition(str(root))[2].split()[0] for call in calls if "run.txt" in call]


def test_uv_is_installed_once_and_installs_the_packages_by_their_hashes(recorded: Path):
    assert installs(recorded) == ["/.tools/uv/bin/uv"]
    assert installs(recorded) == ["/.tools/uv/bin/uv"]
    install(recorded, recorded / ".venv", recorded / "tools/requirements/run.txt")
    [_, call] = (recorded / "called").read_text().splitlines()
    assert "--require-hashes" in call
    assert "--no-deps" in call


def test_a_password_of_an_index_is_in_no_command_line_and_in_no_log(recorded: Path):
    install(recorded, recorded / ".venv", recorded / "tools/requirements/run.txt")
    assert "UV_DEFAULT_INDEX=https://name:s3cret@index.example/simple" in (recorded / "environment").read_text()
    assert "s3cret" not in (recorded / "called").read_text()
    assert all("s3cret" not in log.read_text() for log in (recorded / ".tools/log").iterdir())


def test_pip_installs_where_there_is_no_uv_for_the_machine(recorded: Path, capsys: pytest.CaptureFixture[str]):
    answer(recorded, fails="--target")
    assert installs(recorded) == ["/.venv/bin/python"]
    assert "pip installs the packages" in capsys.readouterr().out


def test_pip_installs_where_uv_cannot(recorded: Path):
    answer(recorded, uv_fails="run.txt")
    assert installs(recorded) == ["/.tools/uv/bin/uv", "/.venv/bin/python"]


def test_pip_installs_where_uv_cannot_be_told_what_pip_is_told(recorded: Path):
    (recorded / "settings").write_text("global.no-index='true'\n")
    assert installs(recorded) == ["/.venv/bin/python"]


def test_where_pip_cannot_install_either_its_error_is_the_answer(recorded: Path):
    answer(recorded, fails="run.txt", uv_fails="run.txt")
    with pytest.raises(SetupError, match="no wheel fits"):
        install(recorded, recorded / ".venv", recorded / "tools/requirements/run.txt")
