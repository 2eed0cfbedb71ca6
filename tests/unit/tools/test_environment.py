import shutil
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from tools.environment import (
    _discard_unusable,
    _requirements_key,
    requirements_are_installed,
    venv_python_version,
)
from tools.pins import ROOT, load_pins
from tools.stamps import write_stamp


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A checkout with an environment in it, of which nothing is wrong."""
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
