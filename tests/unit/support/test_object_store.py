"""The object-store server of the tests is built when its modules change, and not otherwise."""

import shutil
from pathlib import Path

import pytest

from tests.support.object_store import binary
from tests.support.object_store.binary import ensure_object_store, object_store_is_installed, program
from tests.support.scripts import write_script
from tools.console import SetupError
from tools.pins import ROOT
from tools.stamps import write_stamp


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout with a program and a current stamp."""
    shutil.copytree(ROOT / "tests/support/object_store/server", checkout / "tests/support/object_store/server")
    write_script(program(checkout), "exit 1")
    write_stamp(checkout / ".tools/object-store/program.stamp", {"key": binary._key(checkout)})
    return checkout


def test_an_installed_server_is_not_built_again(installed: Path):
    assert object_store_is_installed(installed)
    assert not ensure_object_store(installed)


def test_another_version_of_a_module_builds_it_again(installed: Path):
    sums = installed / "tests/support/object_store/server/go.sum"
    sums.write_text(sums.read_text() + "\n")
    assert not object_store_is_installed(installed)


def test_without_go_the_setup_says_what_cannot_run_and_what_to_install(
    installed: Path, monkeypatch: pytest.MonkeyPatch
):
    program(installed).unlink()
    monkeypatch.setattr(binary.gobuild, "why_go_cannot", lambda _root: "there is no Go on PATH")
    with pytest.raises(SetupError, match=r"no Go on PATH, so the tests of a results store .* Install Go 1\.\d+"):
        ensure_object_store(installed)
    assert not object_store_is_installed(installed)
