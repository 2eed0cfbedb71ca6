"""Pulumi's gcp plugin: the version that the program needs, and where Pulumi finds it."""

import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

VERSION = metadata.version("pulumi-gcp")
INSTALL_COMMAND = ("pulumi", "plugin", "install", "resource", "gcp", VERSION)


def installed_gcp_plugin(environment: Mapping[str, str]) -> Path | None:
    """The plugin on PATH, or the folder that Pulumi downloaded it into; None where it is missing."""
    if on_path := shutil.which("pulumi-resource-gcp", path=environment.get("PATH")):
        return Path(on_path)
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".pulumi")
    downloaded = home / f"plugins/resource-gcp-v{VERSION}"
    return downloaded if downloaded.is_dir() else None
