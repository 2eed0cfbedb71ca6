"""The arguments that load tests have on every platform: the server, the load, and what the manifest records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components.platform_args import PlatformArgs
from components.serving.local_serving import LocalServing
from components.serving.model_export import ModelExport
from stacks.files import store_uri

if TYPE_CHECKING:
    from components.serving.tf_serving import TfServing


@dataclass(kw_only=True)
class CommonArgs:
    """The fields of the arguments on every platform."""

    stack: str
    platform: str
    base_url: pulumi.Input[str]
    """The server's address, `http://…` or `grpc://host:port`."""
    fingerprint: pulumi.Input[str]
    """The fingerprint of the server; a new one makes the test run again."""
    serving: pulumi.Input[Mapping[str, object]]
    """What the manifest records of the server: analysis.results.schema.manifest.Serving, without image and replicas."""
    model: Mapping[str, object]
    """What is known of the model: stacks.server.models.Model. Another one makes the test run again."""
    payload_digest: str
    """The digest of what requests carry; another one makes the test run again."""
    check_answers: str
    """How answers are judged, `values`, `shape` or `off`, and by which tolerance.

    See stacks.load.payload.PayloadSettings.
    """
    tolerance: float
    profile: Mapping[str, object]
    """The load profile: stacks.load.load_profiles.LoadProfile."""
    shape: Mapping[str, object]
    """The shape that is priced: stacks.machines.shapes.NodeShape."""
    region: str
    repeats: int
    """The number of runs of one update."""
    fresh_deployment: bool
    """Whether servers that have answered a run are restarted before the next one."""
    processes: int
    """The number of workers of the generator, in each of its pods."""
    pods: int | None
    """The number of pods that generate the load; None for one, as in the state of earlier versions."""
    rerun: str
    """Any text. A new one makes the test run again."""
    sweep: Mapping[str, object] | None
    """Which candidate of which sweep is measured: stacks.sweep_place.SweepPlace."""
    results: str
    """The results store: an absolute folder or a URI."""
    work_dir: str
    """An absolute folder for the files of a run while it runs."""


def common_args(
    platform: PlatformArgs,
    model: ModelExport,
    serving: "LocalServing | TfServing",
    server: pulumi.Input[str],
    version: pulumi.Input[str],
) -> CommonArgs:
    """The arguments that follow from the settings, for a server of this name and version."""
    settings = platform.settings
    over_grpc = settings.serving.sent_over.over_grpc
    return CommonArgs(
        stack=platform.stack,
        platform=settings.platform,
        base_url=pulumi.Output.format("grpc://{0}", serving.grpc_address) if over_grpc else serving.rest_url,
        fingerprint=serving.fingerprint,
        serving={
            "server": server,
            "server_version": version,
            **settings.variant.model_dump(),
            "rest_threads": None if settings.seed_faithful or settings.server else settings.request_threads.rest,
            "grpc_threads": None if settings.server else settings.request_threads.grpc,
            "seed_faithful": settings.seed_faithful,
            "server_args": list(settings.server.args) if settings.server else None,
            "model": {
                "name": platform.model.name,
                "digest": model.digest,
                "weights": model.used_weights,
                "requests": platform.sent.description,
                "instances": platform.sent.payload.instances,
            },
        },
        model=platform.model.model_dump(exclude_none=True),
        payload_digest=platform.sent.payload.digest,
        check_answers=settings.payload.check,
        tolerance=settings.payload.tolerance,
        profile=settings.load.model_dump(),
        shape=settings.node_shape(platform.stack).model_dump(),
        region=settings.region,
        repeats=settings.repeats,
        # Pods of nodes that are about to go would be measured once more.
        fresh_deployment=settings.fresh_deployment or settings.fresh_nodes,
        processes=settings.processes,
        pods=None if settings.pods == 1 else settings.pods,
        rerun=settings.rerun,
        sweep=settings.sweep.model_dump() if settings.sweep else None,
        results=store_uri(settings.results, platform.checkout),
        work_dir=str(platform.checkout / ".state/runs"),
    )
