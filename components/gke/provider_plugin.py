"""Pulumi's gcp plugin: looked for, and downloaded, before the program declares what needs it.

Where the engine finds no plugin, the program of a stack ends in a traceback of Pulumi's SDK.
"""

import os
import subprocess

import pulumi

from google_cloud.gcp_plugin import INSTALL_COMMAND, VERSION, installed_gcp_plugin

# Five attempts of Pulumi's take 20 s without a network; the plugin is 60 MB.
_DOWNLOAD_LIMIT_S = 600


def why_no_gcp_plugin() -> str | None:
    """Download the plugin where it is missing; returns why that was not possible, None where the plugin is there."""
    if installed_gcp_plugin(os.environ):
        return None
    pulumi.log.info(f"downloading Pulumi's gcp plugin {VERSION}")
    try:
        done = subprocess.run(INSTALL_COMMAND, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if done.returncode == 0:
            return None
        reason = " ".join(done.stderr.split())
    return (
        f"Pulumi's gcp plugin {VERSION} is missing and cannot be downloaded, so this stack can neither be previewed nor"
        f" changed; connect to the internet, or install it: `{' '.join(INSTALL_COMMAND)}`. Pulumi says: {reason}"
    )
