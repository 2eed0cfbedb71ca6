"""The part of `shapebench doctor` about Google Cloud: everything here is only needed by GKE stacks."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from google_cloud.auth_plugin import AUTH_PLUGIN, INSTALL_COMMANDS, LOGIN
from tools.pulumi_plugins import GCP, KUBERNETES, ProviderPlugin

State = Literal["ok", "missing", "optional", "note"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `missing` is needed and absent; `optional` is absent and not needed."""

    what: str
    state: State
    found: str
    fix: str = ""


def google_findings(environment: Mapping[str, str]) -> list[Finding]:
    return [
        _program("gcloud", "https://cloud.google.com/sdk/docs/install", environment),
        _program(AUTH_PLUGIN, ", or ".join(INSTALL_COMMANDS), environment),
        _credentials(environment),
        _provider_plugin(GCP, environment),
        _provider_plugin(KUBERNETES, environment),
    ]


def _program(name: str, fix: str, environment: Mapping[str, str]) -> Finding:
    path = shutil.which(name, path=environment["PATH"])
    return Finding(name, "ok", path) if path else Finding(name, "optional", "none on PATH", f"for GKE stacks: {fix}")


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


def _provider_plugin(plugin: ProviderPlugin, environment: Mapping[str, str]) -> Finding:
    what = f"Pulumi's {plugin.name} plugin"
    if path := plugin.find(environment):
        return Finding(what, "ok", f"{plugin.version} ({path})" if path.is_dir() else str(path))
    fix = f"for GKE stacks, if Pulumi cannot download it by itself: {' '.join(plugin.install_command)}"
    return Finding(what, "optional", f"{plugin.version} is not installed; the first preview downloads it", fix)
