"""Finds, downloads or builds the Pulumi command line, in that order."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import gobuild, release
from tools.console import SetupError, say
from tools.pins import Pins, parse_version, show_version
from tools.stamps import content_key, read_stamp, unfinished_folder, write_stamp

_VERSION_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class PulumiOnPath:
    """The user's own Pulumi; `objection` is why it is not used, None if it is."""

    path: str
    version: str
    objection: str | None


def pulumi_is_missing(root: Path, pins: Pins) -> bool:
    """Whether a set-up has to install Pulumi."""
    found = pulumi_on_path(root, pins, os.environ)
    return installed_source(root) is None and (found is None or found.objection is not None)


def ensure_pulumi(root: Path, pins: Pins) -> bool:
    """Install a Pulumi that runs Python programs if there is none; returns whether one was installed."""
    if installed_source(root) is not None:
        return False
    found = pulumi_on_path(root, pins, os.environ)
    if found is not None and found.objection is None:
        # An outdated one in `.tools/bin` comes before the user's own on PATH.
        for name in release.RELEASE_FILES:
            (root / ".tools/bin" / name).unlink(missing_ok=True)
        return False
    if found is not None:
        say(f"{found.path} is not used: {found.objection}")
    with unfinished_folder(root) as scratch:
        source = _obtain(root, pins, scratch)
        _install(root, scratch, source)
    return True


def installed_source(root: Path) -> str | None:
    """The source of the Pulumi in `.tools/bin` (`release` or `build`); None unless it is complete and current."""
    stamp = read_stamp(_stamp(root))
    complete = all(os.access(root / ".tools/bin" / name, os.X_OK) for name in release.RELEASE_FILES)
    return stamp.get("source") if complete and stamp.get("key") == _key(root) else None


def pulumi_on_path(root: Path, pins: Pins, environment: Mapping[str, str]) -> PulumiOnPath | None:
    """The first Pulumi on PATH that is not this checkout's; None if there is none."""
    own = root / ".tools/bin"
    folders = [each for each in environment.get("PATH", "").split(os.pathsep) if each and Path(each) != own]
    search = os.pathsep.join(folders)
    path = shutil.which("pulumi", path=search)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "version"], env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT_S,
        )  # fmt: skip
        printed = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        printed = ""
    return PulumiOnPath(path, printed, _objection(path, printed, search, pins))


def _objection(path: str, printed: str, search: str, pins: Pins) -> str | None:
    version = parse_version(printed)
    if version is None:
        return f"it does not print its version: `pulumi version` printed {printed!r}"
    if version < pins.pulumi_oldest_on_path:
        return f"it is {show_version(version)}, older than {show_version(pins.pulumi_oldest_on_path)}"
    beside = f"{Path(path).resolve().parent}{os.pathsep}{search}"
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        if shutil.which(name, path=beside) is None:
            return f"{name} is missing beside it, so it cannot run Python programs"
    return None


def _obtain(root: Path, pins: Pins, into: Path) -> str:
    archive = release.archive_name(pins)
    published = release.published_checksum(pins, archive) if archive else None
    if archive and published and archive in pins.pulumi_sha256:
        release.install_release(pins, archive, into)
        return "release"
    why_no_release = f"release {pins.pulumi} " + ("cannot be reached" if archive else "has no archive for this machine")
    if archive and published:
        why_no_release = (
            f"{archive} is not pinned, so it is not installed (its server publishes the SHA-256 {published}; if a "
            f'second source has the same, add "{archive}" = "{published}" to sha256 in tools/versions.toml)'
        )
        say(why_no_release)
    obstacle = gobuild.why_go_cannot(root)
    if obstacle is not None:
        raise SetupError(
            f"Pulumi is missing: PATH has none that can be used, {why_no_release}, and {obstacle}. "
            f"Install Pulumi {show_version(pins.pulumi_oldest_on_path)} or later "
            f"(https://www.pulumi.com/docs/install/) or Go {show_version(gobuild.go_needed(root))} or later "
            "(https://go.dev/dl/), then run it again."
        )
    gobuild.build(root, pins, into)
    return "build"


def _install(root: Path, scratch: Path, source: str) -> None:
    bin_folder = root / ".tools/bin"
    bin_folder.mkdir(exist_ok=True)
    _stamp(root).unlink(missing_ok=True)
    for name in release.RELEASE_FILES:
        (scratch / name).replace(bin_folder / name)
    write_stamp(_stamp(root), {"source": source, "key": _key(root)})


def _stamp(root: Path) -> Path:
    return root / ".tools/pulumi.stamp"


def _key(root: Path) -> str:
    return content_key([root / "tools/versions.toml", *gobuild.sources(root)])
