"""The files that the server's flags point at, as a ConfigMap that is never changed, only replaced."""

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from stacks.serving_names import NAME
from stacks.serving_variant import fingerprint


def config_map_name(files: dict[str, str]) -> str:
    """Carries the content's hash: other files are another map, so the pods that mount it are replaced with it."""
    return f"{NAME}-{fingerprint(files)}"


def make_config_map(name: str, namespace: str, files: dict[str, str], opts: pulumi.ResourceOptions) -> ConfigMap:
    """The ConfigMap, under the name that its content gives it."""
    return ConfigMap(
        f"{name}-config",
        metadata=ObjectMetaArgs(
            name=config_map_name(files), namespace=namespace, labels={"app.kubernetes.io/name": NAME}
        ),
        data=files,
        immutable=True,
        opts=opts,
    )
