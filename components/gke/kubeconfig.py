"""The kubeconfig of a GKE cluster. It holds no credential: the auth plugin fetches one at each use."""

import json

from google_cloud.auth_plugin import ARGUMENTS, AUTH_PLUGIN, INSTALL_COMMANDS

_NAME = "shapebench"


def exec_kubeconfig(host: str) -> str:
    """A kubeconfig for a DNS-based endpoint, whose certificate is publicly trusted; as JSON, which is YAML, too."""
    auth_plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": AUTH_PLUGIN,
        "args": list(ARGUMENTS),
        "installHint": f"install it so that it is on PATH: {', or '.join(INSTALL_COMMANDS)}",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": _NAME,
            "clusters": [{"name": _NAME, "cluster": {"server": f"https://{host}"}}],
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
            "users": [{"name": _NAME, "user": {"exec": auth_plugin}}],
        }
    )
