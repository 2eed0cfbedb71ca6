"""Writes kubeconfigs and other private files."""

import json
from pathlib import Path


def kubeconfig(server: str, ca_certificate: str, user: str, token: str) -> str:
    """A kubeconfig for one user, as JSON; `ca_certificate` is in base64."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": server, "certificate-authority-data": ca_certificate}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
        "current-context": "tests",
    }
    return json.dumps(content, indent=2)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
