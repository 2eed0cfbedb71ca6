"""ModelExport: the model on this machine's disk, in the layout that TF Serving loads."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class ModelExportArgs:
    """What to export, and where to."""

    weights: pulumi.Input[str]
    """`imagenet`, `random`, or `auto` for imagenet where it can be downloaded."""
    cache_dir: pulumi.Input[str]
    """An absolute folder; a destroy leaves it as it is."""


class ModelExport(PluginResource):
    """ResNet50 as a SavedModel. A destroy keeps it in the cache."""

    model_name: pulumi.Output[str]
    """The name it is served under."""
    path: pulumi.Output[str]
    """The folder that holds the version folders."""
    digest: pulumi.Output[str]
    """sha256 over the exported files."""
    used_weights: pulumi.Output[str]
    """What `auto` came to: `imagenet` or `random`."""

    def __init__(self, name: str, args: ModelExportArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:local:ModelExport", name, args, opts)
