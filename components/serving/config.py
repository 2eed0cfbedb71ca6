"""The server's config files, as an immutable ConfigMap."""

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from stacks.names import NAME
from stacks.serving_variant import fingerprint


def config_map_name(files: dict[str, str]) -> str:
    """The name, with a hash of the files: other files make another ConfigMap, which replaces the pods."""
    return f"{NAME}-{fingerprint(files)}"


def make_config_map(name: str, namespace: str, files: dict[str, str], opts: pulumi.ResourceOptions) -> ConfigMap:
    """The ConfigMap with these files."""
    return ConfigMap(
        f"{name}-config",
        metadata=ObjectMetaArgs(
            name=config_map_name(files), namespace=namespace, labels={"app.kubernetes.io/name": NAME}
        ),
        data=files,
        immutable=True,
        opts=opts,
    )
