"""Checks that workflows use only listed actions at their commits, and the pinned versions of Python and Pulumi."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools.actionlint import program
from tools.pins import load_pins, parse_version, show_version

_USES = re.compile(r"^\s*(?:-\s+)?uses:\s*(?P<what>\S+)(?:\s+#\s*(?P<version>\S+))?\s*$", re.MULTILINE)


def problems(root: Path) -> list[str]:
    """The problems of this checkout's workflows and actions."""
    files = sorted((root / ".github").rglob("*.yml"))
    allowed = tomllib.loads((root / "tools/actions.toml").read_text())
    found = [f"{path.relative_to(root)}: {each}" for path in files for each in _unpinned(path.read_text(), allowed)]
    used = {match["what"].partition("@")[0] for path in files for match in _USES.finditer(path.read_text())}
    found += [f"tools/actions.toml: no workflow uses {name}; remove it" for name in sorted(allowed.keys() - used)]
    return [*found, *_unsupported_versions(root), *_actionlint(root)]


def _unpinned(text: str, allowed: dict[str, dict[str, str]]) -> Iterator[str]:
    for match in _USES.finditer(text):
        name, _, commit = match["what"].partition("@")
        if name.startswith("./"):
            continue
        pin = allowed.get(name)
        if pin is None:
            yield f"{name} is not listed in tools/actions.toml, so nobody has reviewed it; list it or remove it"
        elif (commit, match["version"]) != (pin["commit"], pin["version"]):
            yield f"{name} is not at its listed commit; write {name}@{pin['commit']} # {pin['version']}"


def _unsupported_versions(root: Path) -> Iterator[str]:
    pins = load_pins(root)
    text = (root / ".github/actions/setup/action.yml").read_text()
    if f"pulumi-version: {pins.pulumi}\n" not in text:
        yield f".github/actions/setup/action.yml: pulumi-version is not {pins.pulumi}, as in tools/versions.toml"
    for path in sorted((root / ".github").rglob("*.yml")):
        for written in re.findall(r"python-version: \"?([\d.]+)", path.read_text()):
            version = parse_version(written)
            if version is None or not pins.python_oldest <= version < pins.python_before:
                usable = f"from {show_version(pins.python_oldest)} and before {show_version(pins.python_before)}"
                yield f"{path.relative_to(root)}: Python {written} is not supported; give one {usable}"


def _actionlint(root: Path) -> Iterator[str]:
    """The errors of actionlint; none where it is not built. Without shellcheck and pyflakes, which not all have."""
    if not program(root).exists():
        return
    done = subprocess.run(
        [str(program(root)), "-no-color", "-oneline", "-shellcheck=", "-pyflakes="],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    yield from (done.stdout + done.stderr).splitlines()
