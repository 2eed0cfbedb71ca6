"""Pulumi's provider plugins: looked for, and downloaded, before the program declares what needs them.

Where the engine finds no plugin, the program ends in a traceback of Pulumi's SDK, or with a warning for each attempt to
download it.
"""

import os
import subprocess

import pulumi

from tools.pulumi_plugins import ProviderPlugin

# Five attempts of Pulumi's take 20 s without a network; the gcp plugin is 60 MB.
_DOWNLOAD_LIMIT_S = 600


def why_plugin_is_missing(*plugins: ProviderPlugin) -> str | None:
    """Download each plugin that is missing; returns why the first one cannot be had, None where all are there."""
    return next(filter(None, map(_why_missing, plugins)), None)


def _why_missing(plugin: ProviderPlugin) -> str | None:
    if plugin.find(os.environ):
        return None
    what = f"Pulumi's {plugin.name} plugin {plugin.version}"
    pulumi.log.info(f"downloading {what}")
    try:
        done = subprocess.run(
            plugin.install_command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return None
        reason = last_warning(done.stderr)
    return (
        f"{what} is missing and cannot be downloaded ({reason}), so this stack can neither be previewed nor changed;"
        f" connect to the internet, or install it from a file: {' '.join(plugin.install_command)} --file FILE"
    )


def last_warning(printed: str) -> str:
    """Why the download failed, in the last of Pulumi's warnings of attempts that all say the same.

    The error after them says only how many attempts failed.
    """
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    warnings = [line for line in lines if line.startswith("warning:")]
    return (warnings or lines or ["no reason given"])[-1].removeprefix("warning: ")
