"""Makes `.venv`: the pinned Python packages of a tier, with the checkout on their path. The policy pack has its own.

The checkout is not installed: its packages have names like `tools`, which no other environment should hold.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from tools import installer
from tools.console import SetupError, say
from tools.pins import Pins, parse_version, show_version
from tools.stamps import content_key, read_stamp, write_stamp

Tier = Literal["run", "dev", "policy"]
# What a tier's requirements contain; `dev` holds all of `run`.
_SATISFIED_BY: dict[Tier, tuple[Tier, ...]] = {"run": ("run", "dev"), "dev": ("dev",), "policy": ("policy",)}


def environment_folder(root: Path, tier: Tier) -> Path:
    """Where a tier is installed. The policy pack's packages do not agree with the others, so it has its own."""
    return root / ("policy/.venv" if tier == "policy" else ".venv")


def ensure_environment(root: Path, pins: Pins, tier: Tier) -> bool:
    """Bring a tier's environment up to its pins; returns whether there was anything to do."""
    venv = environment_folder(root, tier)
    _discard_unusable(root, venv, pins)
    if not (venv / "pyvenv.cfg").exists():
        _create(root, venv)
    installed = _install_requirements(root, venv, tier)
    # The engine runs the policy pack from its folder, so that environment needs no path to the checkout.
    return (tier != "policy" and link_checkout(root, venv)) or installed


def link_checkout(root: Path, venv: Path) -> bool:
    """Put the checkout on the environment's path, and `shapebench` among its commands; returns whether it changed."""
    [packages] = venv.glob("lib/python*/site-packages")
    # -P: what stands in the working folder cannot be taken for a package of the checkout.
    start = f'#!/bin/sh\nexec {shlex.quote(str(venv / "bin/python"))} -P -m shapebench "$@"\n'
    changed = _write(packages / "shapebench.pth", f"{root}\n")
    return _write(venv / "bin/shapebench", start, mode=0o755) or changed


def requirements_are_installed(root: Path, tier: Tier) -> bool:
    """Whether a tier's environment was set up from the requirement files as they are now."""
    stamp = read_stamp(environment_folder(root, tier) / "requirements.stamp")
    return any(stamp.get("key") == _requirements_key(root, each) for each in _SATISFIED_BY[tier])


def venv_python_version(venv: Path) -> str:
    """The version in `pyvenv.cfg`, read without starting it; empty where there is none."""
    try:
        found = re.search(r"^version(?:_info)?\s*=\s*(\S+)", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def _requirements_key(root: Path, tier: Tier) -> str:
    return content_key([root / f"tools/requirements/{tier}.txt"], venv_python_version(environment_folder(root, tier)))


def _discard_unusable(root: Path, venv: Path, pins: Pins) -> None:
    """Remove an environment that an interrupted run, a move of the checkout or a gone Python has spoilt."""
    if not venv.exists():
        return
    version = parse_version(venv_python_version(venv))
    made_in = read_stamp(venv / "requirements.stamp").get("root", str(root))
    if (venv / "incomplete").exists():
        why = "an earlier run was interrupted while installing into it"
    elif version is None or not (venv / "bin/python").exists():
        why = "its Python is gone"
    elif not pins.python_oldest <= version < pins.python_before:
        why = f"its Python is {show_version(version)}"
    elif made_in != str(root):
        why = f"it was made in {made_in}, and its scripts still point there"
    else:
        return
    say(f"{venv.relative_to(root)} is made anew: {why}")
    shutil.rmtree(venv)


def _create(root: Path, venv: Path) -> None:
    # Run from an active environment, this process's own executable may be the one that was just removed.
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    python = str(base) if base.exists() else sys.executable
    say(f"creating {venv.relative_to(root)} with Python {show_version(sys.version_info[:3])}")
    venv.mkdir(parents=True)
    (venv / "incomplete").touch()
    made = subprocess.run([python, "-m", "venv", str(venv)], cwd=root, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(venv)
        raise SetupError(
            f"{python} cannot make a virtual environment, so nothing can be installed. On Debian and Ubuntu "
            f"install python3-venv, then run it again.\n\n{made.stdout}{made.stderr}"
        )


def _install_requirements(root: Path, venv: Path, tier: Tier) -> bool:
    if requirements_are_installed(root, tier):
        return False
    incomplete = venv / "incomplete"
    incomplete.touch()
    try:
        installer.install(root, venv, root / f"tools/requirements/{tier}.txt")
    except SetupError:
        # The installer gave up by itself, which leaves whole packages: the next run goes on from there.
        incomplete.unlink()
        raise
    write_stamp(venv / "requirements.stamp", {"tier": tier, "key": _requirements_key(root, tier), "root": str(root)})
    incomplete.unlink()
    return True


def _write(path: Path, text: str, mode: int = 0o644) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    # A launcher that pip made may be a link or run at the moment: it is replaced, not written into.
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return True
