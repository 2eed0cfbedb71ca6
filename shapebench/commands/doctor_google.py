"""The part of `shapebench doctor` about Google Cloud: everything here is only needed by GKE stacks."""

import json
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from google_cloud.auth_plugin import AUTH_PLUGIN, INSTALL_COMMANDS
from shapebench.finding import Finding

_LOGIN = "gcloud auth application-default login"


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
            return Finding(what, "note", f"no {path}", f"correct GOOGLE_APPLICATION_CREDENTIALS, or {_LOGIN}")
        return Finding(what, "optional", f"no {path}", f"for GKE stacks: {_LOGIN}")
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(what, "note", f"{path} is no credentials file", _LOGIN)
    return Finding(what, "ok", f"{kind} ({path})")


def _gcp_plugin(environment: Mapping[str, str]) -> Finding:
    what, version = "Pulumi's gcp plugin", metadata.version("pulumi-gcp")
    on_path = shutil.which("pulumi-resource-gcp", path=environment["PATH"])
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "~")) / ".pulumi")
    installed = home / f"plugins/resource-gcp-v{version}"
    if on_path or installed.is_dir():
        return Finding(what, "ok", on_path or f"{version} ({installed})")
    mend = f"for GKE stacks, if Pulumi cannot download it by itself: pulumi plugin install resource gcp {version}"
    return Finding(what, "optional", f"{version} is not installed; the first preview downloads it", mend)
