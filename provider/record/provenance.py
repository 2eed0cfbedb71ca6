"""The provenance of a run: the commit of the checkout and the versions of the software."""

import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stacks.version import VERSION

_PACKAGES = ("locust", "tensorflow", "keras", "pulumi")
_CHECKOUT = Path(__file__).parents[2]


def git_commit() -> str | None:
    """The checked-out commit, with `-dirty` when tracked files differ from it; None outside a repository.

    Stack files do not count: their settings are in the manifest, and Pulumi writes its salt into them.
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return (
        f"{commit}-dirty"
        if _git("status", "--porcelain", "--untracked-files=no", "--", ":!stacks/Pulumi.*.yaml")
        else commit
    )


def software_versions() -> dict[str, str]:
    """Versions by name: Python, the kernel, and the packages of server, generator and Pulumi.

    The plugin of another program's service has no server's packages.
    """
    versions = {"python": platform.python_version(), "linux": platform.release(), "shapebench": VERSION}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(_CHECKOUT), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
