"""Checks that the pinned requirement files match the files that they were compiled from, and each other."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from tools.pins import ROOT
from tools.stamps import content_key

_HASH_LINE = "# compiled from: "
_SIZE_LINE = "# downloads: "
_PIN = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)", re.MULTILINE)


def inputs_key(source: Path) -> str:
    """A hash of a `.in` file and of the files that it includes."""
    return content_key(_with_included(source))


def record_inputs(compiled: Path) -> None:
    """Write the hash of its inputs into a compiled file."""
    _write_line(compiled, _HASH_LINE, inputs_key(compiled.with_suffix(".in")))


def record_size(compiled: Path) -> None:
    """Write into a compiled file what it downloads, which `make setup` says before it starts."""
    _write_line(compiled, _SIZE_LINE, f"{_download_mb(compiled)} MB")


def _write_line(compiled: Path, start: str, value: str) -> None:
    lines = [line for line in compiled.read_text().splitlines() if not line.startswith(start)]
    compiled.write_text("\n".join([f"{start}{value}", *lines]) + "\n")


def _download_mb(compiled: Path) -> int:
    """The size of the wheels that this machine and Python would take, as the package index states it."""
    command = ["uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml", str(compiled)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    preference = {tag: rank for rank, tag in enumerate(sys_tags())}
    total = 0
    for package in tomllib.loads(printed)["packages"]:
        fitting = []
        for wheel in package.get("wheels", []):
            name = wheel.get("name") or unquote(wheel["url"].rpartition("/")[2])
            if ranks := [preference[tag] for tag in parse_wheel_filename(name)[3] if tag in preference]:
                fitting.append((min(ranks), wheel["size"]))
        total += min(fitting)[1] if fitting else 0
    return round(total / 1e6)


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
        if _SIZE_LINE not in text:
            found.append(f"{where} does not say what it downloads, so `make setup` cannot; run `make lock`")
        if re.search(r"^\s*(?:--?(?:extra-)?index-url|-i|--find-links|-f)\b", text, re.MULTILINE):
            found.append(f"{where} names a package index, which each user has to choose; run `make lock`")
        for base in _with_included(source)[1:]:
            found += _contradictions(root, compiled, base.with_suffix(".txt"))
    return found


def _contradictions(root: Path, compiled: Path, base: Path) -> list[str]:
    """Packages that a tier pins to another version than the tier that it includes or is constrained by (`-c`)."""
    pins, below = (dict(_PIN.findall(path.read_text())) for path in (compiled, base))
    if f"-c {base.name}\n" in compiled.with_suffix(".in").read_text():
        below = {name: version for name, version in below.items() if name in pins}
    return [
        f"{compiled.relative_to(root)} pins {name} {pins.get(name)}, but {base.name} pins {version}: what is tested is "
        "not what runs; run `make lock`"
        for name, version in below.items()
        if pins.get(name) != version
    ]


def _with_included(source: Path) -> list[Path]:
    included = re.findall(r"^-[rc]\s+(\S+)", source.read_text(), re.MULTILINE)
    return [source, *(path for name in included for path in _with_included(source.with_name(name)))]


def in_order(compiled: Iterable[Path]) -> list[Path]:
    """Those first on which the inputs of others depend: recording changes a compiled file."""
    return sorted(compiled, key=lambda each: len(_with_included(each.with_suffix(".in"))))


if __name__ == "__main__":
    for each in in_order(ROOT / name for name in sys.argv[1:]):
        record_size(each)
        record_inputs(each)
