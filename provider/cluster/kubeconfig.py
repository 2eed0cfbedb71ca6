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


def _named(access: Access) -> str:
    return f"its context '{access.context}'" if access.context else "its current context"


def _option(access: Access) -> str:
    return f" --context {access.context}" if access.context else ""


def settings_of(access: Access) -> client.Configuration:
    settings = client.Configuration()
    try:
        if access.kubeconfig is None:
            config.load_kube_config(context=access.context, client_configuration=settings)  # type: ignore[no-untyped-call]  # its config package has no types
        else:
            config.load_kube_config_from_dict(yaml.safe_load(access.kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]  # the same
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError):
        # The error is not quoted: it may hold a line of the kubeconfig.
        raise ClusterError(
            f"the kubeconfig cannot be read, so the cluster cannot be reached: it is invalid, or {_named(access)} or a"
            f" file that it refers to is missing; run `kubectl cluster-info{_option(access)}` with it to see the cause"
        ) from None
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
