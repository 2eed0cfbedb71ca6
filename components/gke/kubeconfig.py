"""The kubeconfig of a GKE cluster. It holds no credential: the auth plugin fetches one at each use."""

import json

_NAME = "shapebench"


def exec_kubeconfig(server: str, ca_certificate: str | None) -> str:
    """A kubeconfig, as JSON, which YAML readers accept.

    `server` is a host name or an address. `ca_certificate` is base64; None for the DNS-based endpoint, whose
    certificate is publicly trusted.
    """
    cluster = {"server": f"https://{server}"}
    if ca_certificate is not None:
        cluster["certificate-authority-data"] = ca_certificate
    auth_plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "install it with `gcloud components install gke-gcloud-auth-plugin`, and see that it is on PATH",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": _NAME,
            "clusters": [{"name": _NAME, "cluster": cluster}],
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
            "users": [{"name": _NAME, "user": {"exec": auth_plugin}}],
        }
    )
