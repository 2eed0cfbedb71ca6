"""A Go program of the tests is built when its modules change, and not otherwise."""

import shutil
from pathlib import Path

import pytest

from tests.support import go_programs
from tests.support.go_programs import OBJECT_STORE, PROMETHEUS, GoProgram
from tests.support.scripts import write_script
from tools.console import SetupError
from tools.pins import ROOT
from tools.stamps import write_stamp


@pytest.fixture(params=[OBJECT_STORE, PROMETHEUS], ids=lambda each: each.name)
def program(request: pytest.FixtureRequest, checkout: Path) -> GoProgram:
    """In the checkout with a current stamp."""
    program: GoProgram = request.param
    shutil.copytree(ROOT / program.module, checkout / program.module)
    write_script(program.file(checkout), "exit 1")
    write_stamp(checkout / ".tools" / program.name / "program.stamp", {"key": program.key(checkout)})
    return program


def test_an_installed_program_is_not_built_again(program: GoProgram, checkout: Path) -> None:
    assert program.is_installed(checkout)
    assert not program.ensure(checkout)


def test_another_version_of_a_module_builds_it_again(program: GoProgram, checkout: Path) -> None:
    sums = checkout / program.module / "go.sum"
    sums.write_text(sums.read_text() + "\n")
    assert not program.is_installed(checkout)


def test_without_go_the_setup_says_what_cannot_run_and_what_to_install(
    program: GoProgram, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.file(checkout).unlink()
    monkeypatch.setattr(go_programs.gobuild, "why_go_cannot", lambda _root: "there is no Go on PATH")
    with pytest.raises(SetupError, match=rf"no Go on PATH, so {program.used_by} cannot run\. Install Go 1\.\d+"):
        program.ensure(checkout)
    assert not program.is_installed(checkout)
