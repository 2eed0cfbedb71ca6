"""The part of `shapebench doctor` about Google Cloud: everything here is only needed by GKE stacks."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from google_cloud.auth_plugin import AUTH_PLUGIN, INSTALL_COMMANDS, LOGIN
from google_cloud.gcp_plugin import INSTALL_COMMAND, VERSION, installed_gcp_plugin
from shapebench.finding import Finding


def google_findings(environment: Mapping[str, str]) -> list[Finding]:
    return [
        _program("gcloud", "https://cloud.google.com/sdk/docs/install", environment),
        _program(AUTH_PLUGIN, ", or ".join(INSTALL_COMMANDS), environment),
        _credentials(environment),
        _gcp_plugin(environment),
    ]


def _program(name: str, mend: str, environment: Mapping[str, str]) -> Finding:
    path = shutil.which(name, path=environment["PATH"])
    return Finding(name, "ok", path) if path else Finding(name, "optional", "none on PATH", f"for GKE stacks: {mend}")


def _credentials(environment: Mapping[str, str]) -> Finding:
    """Application Default Credentials, by the files where Google's libraries look for them.

    Source: https://cloud.google.com/docs/authentication/application-default-credentials.
    """
    what = "Google credentials"
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    folder = environment.get("CLOUDSDK_CONFIG") or Path(environment.get("HOME", "~")) / ".config/gcloud"
    path = Path(named) if named else Path(folder) / "application_default_credentials.json"
    try:
        kind = json.loads(path.read_text(encoding="utf-8"))["type"]
    except FileNotFoundError:
        if named:
            return Finding(what, "note", f"no {path}", f"correct GOOGLE_APPLICATION_CREDENTIALS, or {LOGIN}")
        return Finding(what, "optional", f"no {path}", f"for GKE stacks: {LOGIN}")
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(what, "note", f"{path} is no credentials file", LOGIN)
    return Finding(what, "ok", f"{kind} ({path})")


def _gcp_plugin(environment: Mapping[str, str]) -> Finding:
    what = "Pulumi's gcp plugin"
    if path := installed_gcp_plugin(environment):
        return Finding(what, "ok", f"{VERSION} ({path})" if path.is_dir() else str(path))
    mend = f"for GKE stacks, if Pulumi cannot download it by itself: {' '.join(INSTALL_COMMAND)}"
    return Finding(what, "optional", f"{VERSION} is not installed; the first preview downloads it", mend)
