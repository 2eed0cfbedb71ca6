"""The inputs that load tests on all platforms have: address, serving record and results store."""

from pathlib import Path

import pulumi

from components.serving.model_export import ModelExport
from stacks.settings import Settings


def base_url(protocol: str, rest_url: pulumi.Input[str], grpc_address: pulumi.Input[str]) -> pulumi.Output[str]:
    """The server's address for the generator; its scheme says the protocol."""
    return (
        pulumi.Output.from_input(rest_url) if protocol == "rest" else pulumi.Output.format("grpc://{0}", grpc_address)
    )


def serving_record(
    settings: Settings, server: pulumi.Input[str], version: pulumi.Input[str], model: ModelExport
) -> dict[str, object]:
    """What the manifest records of the server: analysis.results.manifest.Serving, without image and replicas."""
    return {
        "server": server,
        "server_version": version,
        **settings.variant.model_dump(),
        "model": {"name": model.model_name, "digest": model.digest, "weights": model.used_weights},
    }


def store_uri(results: str, checkout: Path) -> str:
    """The results store for the plugin: a URI as it is, a folder as an absolute path."""
    return results if "://" in results else str(checkout / results)
