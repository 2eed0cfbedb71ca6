"""ModelExport: the model as a SavedModel on this machine's disk."""

from dataclasses import dataclass

import pulumi

from components.plugin_resource import PluginResource


@dataclass
class ModelExportArgs:
    """The weights, and the folder for exports."""

    weights: pulumi.Input[str]
    """`imagenet`, `random`, or `auto` for imagenet where it can be downloaded."""
    cache_dir: pulumi.Input[str]
    """An absolute folder."""


class ModelExport(PluginResource):
    """ResNet50 as a SavedModel, in the layout that TF Serving loads. A destroy keeps the files."""

    model_name: pulumi.Output[str]
    """The name it is served under."""
    path: pulumi.Output[str]
    """The folder that holds the version folders."""
    digest: pulumi.Output[str]
    """sha256 over the exported files."""
    used_weights: pulumi.Output[str]
    """The weights that were exported: `imagenet` or `random`."""

    def __init__(self, name: str, args: ModelExportArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("shapebench:local:ModelExport", name, args, opts)
