"""The client's settings from a kubeconfig, and what tells its cluster from others.

Imported only where it is used: the client is large, and most updates need none.
"""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from provider.cluster.api import ClusterError


@dataclass(frozen=True)
class Access:
    """A kubeconfig's text, whose current context is used; without one, the user's own and its context `context`."""

    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None


def _why_unreadable(access: Access) -> str:
    if access.kubeconfig is not None:
        return (
            "the stack's kubeconfig cannot be read, so the cluster cannot be reached: it is invalid, or its current"
            " context or a file that it names is missing; write it to a file with `pulumi stack output kubeconfig"
            " --show-secrets`, and run `kubectl cluster-info --kubeconfig FILE` to see the cause"
        )
    context, option = (
        (f"its context '{access.context}'", f" --context {access.context}")
        if access.context
        else ("its current context", "")
    )
    return (
        "the kubeconfig cannot be read, so the cluster cannot be reached: there is none (~/.kube/config, or the file"
        f" that KUBECONFIG names), or it is invalid, or {context} or a file that it names is missing; run `kubectl"
        f" config view` to see what is read, then `kubectl cluster-info{option}`"
    )


def settings_of(access: Access) -> client.Configuration:
    settings = client.Configuration()
    try:
        if access.kubeconfig is None:
            config.load_kube_config(context=access.context, client_configuration=settings)  # type: ignore[no-untyped-call]  # its config package has no types
        else:
            config.load_kube_config_from_dict(yaml.safe_load(access.kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]  # the same
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError):
        # The error is not quoted: it may hold a line of the kubeconfig.
        raise ClusterError(_why_unreadable(access)) from None
    settings.retries = False
    # What it puts into a path is an object's name, or the port and path of a request to a pod.
    settings.safe_chars_for_path_param = "/:"
    _share_trust_store(settings)
    return settings


def cluster_of(settings: client.Configuration) -> str:
    """The address of the control plane, and a hash of the authority that signs for it: either may be that of another.

    Many local clusters have the same address, and all of Google's the same authority.
    """
    authority = Path(settings.ssl_ca_cert).read_bytes() if settings.ssl_ca_cert else b""
    return f"{settings.host} (authority {hashlib.sha256(authority).hexdigest()[:8]})"


def _share_trust_store(settings: client.Configuration) -> None:
    """Without an authority in the kubeconfig, commands would use another trust store than requests; give both one."""
    # The client's stubs know no other hook than None.
    refresh = cast("Callable[[client.Configuration], None] | None", settings.refresh_api_key_hook)

    def trust(current: client.Configuration) -> None:
        # Before each call the client refreshes the token, and resets everything else to the kubeconfig: the missing
        # authority, and this hook.
        if refresh is not None:
            refresh(current)
        current.ssl_ca_cert = current.ssl_ca_cert or ssl.get_default_verify_paths().cafile
        current.refresh_api_key_hook = trust  # type: ignore[assignment]

    trust(settings)
