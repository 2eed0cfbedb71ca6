import os
import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from tools.environment import (
    _discard_unusable,
    _requirements_key,
    link_checkout,
    requirements_are_installed,
    venv_python_version,
)
from tools.pins import ROOT, load_pins
from tools.stamps import write_stamp


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A checkout with a good environment."""
    venv.create(tmp_path / ".venv", with_pip=False)
    write_stamp(tmp_path / ".venv/requirements.stamp", {"tier": "run", "key": "k", "root": str(tmp_path)})
    return tmp_path


def discarded(root: Path, pins=None) -> bool:
    _discard_unusable(root, root / ".venv", pins or load_pins())
    return not (root / ".venv").exists()


def test_a_good_environment_is_kept(made: Path):
    assert not discarded(made)


def test_an_environment_made_by_hand_is_kept(made: Path):
    (made / ".venv/requirements.stamp").unlink()
    assert not discarded(made)


def test_an_environment_whose_installation_was_interrupted_is_made_anew(made: Path):
    (made / ".venv/incomplete").touch()
    assert discarded(made)


def test_an_environment_whose_python_is_gone_is_made_anew(made: Path):
    for link in (made / ".venv/bin").glob("python*"):
        link.unlink()
    (made / ".venv/bin/python").symlink_to("/gone/python")
    assert discarded(made)


def test_an_environment_of_another_python_than_can_be_used_is_made_anew(made: Path):
    assert discarded(made, replace(load_pins(), python_before=sys.version_info[:3]))


def test_an_environment_that_moved_with_its_checkout_is_made_anew(made: Path, tmp_path: Path):
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(made / ".venv", moved / ".venv")
    assert discarded(moved)


def test_the_version_is_read_without_starting_python(made: Path):
    assert venv_python_version(made / ".venv") == ".".join(map(str, sys.version_info[:3]))
    assert venv_python_version(made / "nothing") == ""


def test_requirements_without_a_stamp_are_not_installed(made: Path):
    shutil.copytree(ROOT / "tools/requirements", made / "tools/requirements")
    assert not requirements_are_installed(made, "run")


def test_the_policy_packs_environment_is_not_the_projects(made: Path):
    shutil.copytree(ROOT / "tools/requirements", made / "tools/requirements")
    venv.create(made / "policy/.venv", with_pip=False)
    write_stamp(made / "policy/.venv/requirements.stamp", {"key": _requirements_key(made, "policy")})
    assert requirements_are_installed(made, "policy")
    assert not requirements_are_installed(made, "run")


@pytest.fixture
def linked(made: Path) -> Path:
    """A checkout whose `shapebench` prints its arguments, in an environment that has it on its path."""
    (made / "shapebench").mkdir()
    (made / "shapebench/__init__.py").touch()
    (made / "shapebench/__main__.py").write_text("import sys\nprint(*sys.argv[1:])\n")
    assert link_checkout(made, made / ".venv")
    return made


def in_environment(root: Path, folder: Path, *command: str) -> str:
    """What a command of the environment prints, run in a folder."""
    run = [str(root / ".venv/bin" / command[0]), *command[1:]]
    # PYTHONPATH would stand in for what the environment itself should know.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_checkout_is_importable_from_any_folder_without_being_installed(linked: Path, tmp_path_factory):
    code = "import shapebench; print(shapebench.__file__)"
    found = in_environment(linked, tmp_path_factory.mktemp("elsewhere"), "python", "-c", code)
    assert found == f"{linked}/shapebench/__init__.py\n"
    assert not list((linked / ".venv").glob("lib/python*/site-packages/shapebench*.dist-info"))


def test_the_command_is_the_checkouts_also_in_a_folder_with_a_package_of_its_name(linked: Path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "shapebench").mkdir()
    (folder / "shapebench/__main__.py").write_text("print('of this folder')")
    assert in_environment(linked, folder, "shapebench", "runs", "--results", "a b") == "runs --results a b\n"


def test_linking_a_checkout_twice_changes_nothing(linked: Path):
    assert not link_checkout(linked, linked / ".venv")


def test_a_command_that_was_changed_is_written_again(linked: Path):
    (linked / ".venv/bin/shapebench").write_text("#!/bin/sh\n")
    assert link_checkout(linked, linked / ".venv")
    assert in_environment(linked, linked, "shapebench", "price") == "price\n"
