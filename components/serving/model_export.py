"""ModelExport: the model as a SavedModel on this machine's disk."""

from dataclasses import dataclass

import pulumi

from components.platform_args import PlatformArgs
from components.plugin_resource import PluginResource


@dataclass
class ModelExportArgs:
    """The weights, and the folder for exports."""

    weights: pulumi.Input[str]
    """`imagenet`, `random`, or `auto` for imagenet where it can be downloaded."""
    cache_dir: pulumi.Input[str]
    """An absolute folder."""


def export_args(platform: PlatformArgs) -> ModelExportArgs:
    """The weights of the stack, and the cache of the checkout."""
    return ModelExportArgs(weights=platform.settings.model.weights, cache_dir=str(platform.checkout / ".cache/models"))


class ModelExport(PluginResource[ModelExportArgs]):
    """ResNet50 as a SavedModel, in the layout that TF Serving loads. A destroy keeps the files."""

    pulumi_type = "shapebench:local:ModelExport"

    model_name: pulumi.Output[str]
    """The name it is served under."""
    path: pulumi.Output[str]
    """The folder that holds the version folders."""
    digest: pulumi.Output[str]
    """sha256 over the exported files."""
    used_weights: pulumi.Output[str]
    """The weights that were exported: `imagenet` or `random`."""
