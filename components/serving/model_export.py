"""ModelExport: the model as a SavedModel on this machine's disk."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.platform_args import PlatformArgs
from components.plugin_resource import PluginResource
from loadtest.run.remote_model import is_uri, remote_model
from loadtest.run.saved_model import stamp_of, version_folder


@dataclass
class ModelExportArgs:
    """The model, and the folder for exports."""

    name: str
    weights: str
    """`imagenet`, `random`, or `auto` for imagenet where it can be downloaded."""
    folder: str | None
    """That of the SavedModel; None for ResNet50, which is exported."""
    stamp: str
    """Changes when a file in that folder does. Empty for a copy, whose folder is another one then."""
    remote: dict[str, Any] | None
    """A RemoteModel: what is copied to that folder; None for a model of this machine."""
    cache_dir: str
    """An absolute folder."""


def export_args(platform: PlatformArgs) -> ModelExportArgs:
    """The model of the stack, and the cache of the checkout."""
    model = platform.settings.model
    folder = version_folder(model.path, platform.checkout) if model.path else None
    remote = remote_model(model.path) if model.path and is_uri(model.path) else None
    return ModelExportArgs(
        name=platform.model.name,
        weights=model.weights,
        folder=str(folder) if folder else None,
        stamp=stamp_of(folder) if folder and not remote else "",
        remote=remote.model_dump() if remote else None,
        cache_dir=str(platform.checkout / ".cache/models"),
    )


class ModelExport(PluginResource[ModelExportArgs]):
    """A SavedModel, in the layout that TF Serving loads. A destroy keeps the files."""

    pulumi_type = "shapebench:local:ModelExport"

    path: pulumi.Output[str]
    """The folder that holds the version folders."""
    digest: pulumi.Output[str]
    """sha256 over the exported files."""
    used_weights: pulumi.Output[str]
    """Where the weights are from: `imagenet`, `random`, or the model's `own`."""
