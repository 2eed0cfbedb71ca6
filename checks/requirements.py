"""Checks that the pinned requirement files match the files that they were compiled from, and each other."""

import re
import sys
from pathlib import Path

from tools.pins import ROOT
from tools.stamps import content_key

_HASH_LINE = "# compiled from: "
_PIN = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)", re.MULTILINE)


def inputs_key(source: Path) -> str:
    """A hash of a `.in` file and of the files that it includes."""
    return content_key(_with_included(source))


def record_inputs(compiled: Path) -> None:
    """Write the hash of its inputs into a compiled file."""
    lines = [line for line in compiled.read_text().splitlines() if not line.startswith(_HASH_LINE)]
    compiled.write_text("\n".join([f"{_HASH_LINE}{inputs_key(compiled.with_suffix('.in'))}", *lines]) + "\n")


def problems(root: Path) -> list[str]:
    """Stale, unhashed and contradicting pins."""
    found: list[str] = []
    for source in sorted((root / "tools/requirements").glob("*.in")):
        compiled = source.with_suffix(".txt")
        where = compiled.relative_to(root)
        if not compiled.exists():
            found.append(f"{where} is missing, so nothing can be installed from {source.name}; run `make lock`")
            continue
        text = compiled.read_text()
        if f"{_HASH_LINE}{inputs_key(source)}\n" not in text:
            found.append(
                f"{where} was compiled from another {source.name}, so it installs outdated versions; run `make lock`"
            )
        if re.search(r"^\s*(?:--?(?:extra-)?index-url|-i|--find-links|-f)\b", text, re.MULTILINE):
            found.append(f"{where} names a package index, which each user has to choose; run `make lock`")
        for base in _with_included(source)[1:]:
            found += _contradictions(root, compiled, base.with_suffix(".txt"))
    return found


def _contradictions(root: Path, compiled: Path, base: Path) -> list[str]:
    """Packages that a tier pins to another version than the tier that it includes."""
    pins, below = (dict(_PIN.findall(path.read_text())) for path in (compiled, base))
    return [
        f"{compiled.relative_to(root)} pins {name} {pins.get(name)}, but {base.name} pins {version}: what is tested is "
        "not what runs; run `make lock`"
        for name, version in below.items()
        if pins.get(name) != version
    ]


def _with_included(source: Path) -> list[Path]:
    included = re.findall(r"^-[rc]\s+(\S+)", source.read_text(), re.MULTILINE)
    return [source, *(path for name in included for path in _with_included(source.with_name(name)))]


if __name__ == "__main__":
    for each in sys.argv[1:]:
        record_inputs(ROOT / each)
