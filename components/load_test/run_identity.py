"""What a run is kept as, the same on every platform: the account of what served, and the store."""

from pathlib import Path

import pulumi

from components.serving.model_export import ModelExport
from stacks.settings import Settings


def account_of_serving(
    settings: Settings, server: pulumi.Input[str], version: pulumi.Input[str], model: ModelExport
) -> dict[str, object]:
    """The manifest's account of what serves: analysis.results.manifest.Serving, but for image and replicas."""
    return {
        "server": server,
        "server_version": version,
        **settings.variant.model_dump(),
        "model": {"name": model.model_name, "digest": model.digest, "weights": model.used_weights},
    }


def store_uri(results: str, checkout: Path) -> str:
    """The store as the plugin can open it from anywhere: a URI as it is, a folder made absolute."""
    return results if "://" in results else str(checkout / results)
