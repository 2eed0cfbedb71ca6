import os
import shutil
from pathlib import Path

import pytest

from tests.support.scripts import write_script
from tools.console import SetupError
from tools.pins import ROOT
from tools.stack import ensure_stack

STACK_FILE = "stacks/Pulumi.local.yaml"
SALT = "encryptionsalt: v1:zg6STAqxsnc=:v1:8RIaZc56wk40cSoG:Wgmq36PYs6Su\n"


@pytest.fixture
def checkout(checkout: Path) -> Path:
    (checkout / "stacks").mkdir()
    shutil.copy(ROOT / STACK_FILE, checkout / STACK_FILE)
    return checkout


def add_line(root: Path, line: str) -> None:
    with (root / STACK_FILE).open("a") as file:
        file.write(line)


def pulumi_that(root: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for Pulumi first on PATH, and remove any choice of a backend."""
    write_script(root / ".tools/bin/pulumi", text)
    for name in [name for name in os.environ if name.startswith("PULUMI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(root / "no-home"))


def test_a_missing_stack_is_created_without_the_salt_of_an_earlier_one(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    add_line(checkout, SALT)
    pulumi_that(checkout, f'echo "$@" >> calls; cat {STACK_FILE} > seen', monkeypatch)
    assert ensure_stack(checkout, "local")
    assert (checkout / "calls").read_text() == "stack init local --no-select --non-interactive\n"
    assert "encryptionsalt" not in (checkout / "seen").read_text()


@pytest.mark.parametrize("backend", ["", "s3://theirs"])
def test_the_salt_of_a_new_stack_is_not_left_in_its_file(checkout: Path, monkeypatch: pytest.MonkeyPatch, backend: str):
    pulumi_that(checkout, f"echo '{SALT.strip()}' >> {STACK_FILE}", monkeypatch)
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    assert ensure_stack(checkout, "local")
    assert (checkout / STACK_FILE).read_text() == (ROOT / STACK_FILE).read_text()


def test_a_stack_that_the_embedded_backend_has_is_left_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    state = checkout / ".state/.pulumi/stacks/shapebench/local.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    add_line(checkout, SALT)
    pulumi_that(checkout, "touch called", monkeypatch)
    assert not ensure_stack(checkout, "local")
    assert not (checkout / "called").exists()
    assert (checkout / STACK_FILE).read_text().endswith(SALT)


def test_a_stack_that_cannot_be_created_is_an_error_with_what_pulumi_says(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    pulumi_that(checkout, "echo error: no such bucket >&2; exit 255", monkeypatch)
    with pytest.raises(SetupError, match=r"(?s)local cannot be created, so `pulumi up` has no stack.*no such bucket"):
        ensure_stack(checkout, "local")
