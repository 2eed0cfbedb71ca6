"""StoreCheck: checks that the results store can be written, before anything that takes time or money."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.platform_args import PlatformArgs
from components.plugin_resource import PluginResource
from stacks.files import store_uri

# Settings whose change makes the load test run again.
_RUN = {"repeats", "fresh_deployment", "processes", "pods", "rerun"}
_MEASURED = {"shape", "serving", "load", "model", "payload"} | _RUN


@dataclass
class StoreCheckArgs:
    """The results store, and the settings of the runs that it will hold."""

    results: str
    """An absolute folder or a URI."""
    measured: Mapping[str, object]
    """A change of any of them is a reason to check again."""


def store_check_args(platform: PlatformArgs) -> StoreCheckArgs:
    """The arguments that follow from the settings."""
    settings = platform.settings
    return StoreCheckArgs(
        results=store_uri(settings.results, platform.checkout),
        measured=settings.model_dump(include=_MEASURED)
        | {
            "server": settings.local.server if settings.platform == "local" else settings.serving_image,
            "payload_digest": platform.sent.payload.digest,
        },
    )


class StoreCheck(PluginResource[StoreCheckArgs]):
    """Fails where the store cannot be written. Everything else of the stack is created after it."""

    pulumi_type = "shapebench:results:StoreCheck"

    def __init__(self, name: str, args: StoreCheckArgs, opts: pulumi.ResourceOptions) -> None:
        # With a wrong passphrase Pulumi fails at the first secret that it stores: here, and not at the kubeconfig of a
        # cluster that costs money by then (docs/adr/0005).
        secret = pulumi.ResourceOptions(additional_secret_outputs=["results"])
        super().__init__(name, args, pulumi.ResourceOptions.merge(opts, secret))
