"""Reads `tools/versions.toml`, which pins the versions of everything but Python packages and Go modules."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Pins:
    """The versions that are installed, and those of the user's own programs that are accepted."""

    python_oldest: Version
    python_before: Version
    pulumi: str
    pulumi_oldest_on_path: Version
    pulumi_releases: str
    pulumi_sha256: Mapping[str, str]
    """By the name of the release's archive."""
    probe_timeout_s: float


def parse_version(text: str) -> Version | None:
    """The first version in a text such as `v3.274.1`, `Python 3.11.7` or `go1.26`; None without one."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def show_version(version: Version) -> str:
    """`(3, 11, 0)` as `3.11.0`."""
    return ".".join(map(str, version))


def _required(text: str) -> Version:
    version = parse_version(text)
    if version is None:
        raise ValueError(f"tools/versions.toml: {text!r} is not a version; give one such as 3.11")
    return version


def load_pins(root: Path = ROOT) -> Pins:
    content = tomllib.loads((root / "tools/versions.toml").read_text())
    python, pulumi = content["python"], content["pulumi"]
    return Pins(
        python_oldest=_required(python["oldest"]),
        python_before=_required(python["before"]),
        pulumi=pulumi["version"],
        pulumi_oldest_on_path=_required(pulumi["oldest_on_path"]),
        pulumi_releases=pulumi["releases"],
        pulumi_sha256=pulumi["sha256"],
        probe_timeout_s=float(pulumi["probe_timeout_s"]),
    )
