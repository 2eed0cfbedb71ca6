"""LocalPlatform: model, server and load test on this machine, as one component."""

import os
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.load_test.inputs import base_url, serving_record, store_uri
from components.load_test.local import LoadTest, LoadTestArgs
from components.serving.local_serving import LocalServing, LocalServingArgs
from components.serving.model_export import ModelExport, ModelExportArgs
from stacks.explain import SettingsError
from stacks.settings import Settings


@dataclass
class LocalPlatformArgs:
    """The stack's name and settings, and the checkout for exports, state and results."""

    stack: str
    settings: Settings
    checkout: Path


class LocalPlatform(pulumi.ComponentResource):
    """All resources of a local stack: the export, the server and the load test, one after the other."""

    serving: LocalServing
    load_test: LoadTest

    def __init__(self, name: str, args: LocalPlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        _require_cores(args.settings.processes)
        super().__init__("shapebench:local:LocalPlatform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        model = ModelExport(
            f"{name}-model",
            ModelExportArgs(weights=args.settings.model.weights, cache_dir=str(args.checkout / ".cache/models")),
            child,
        )
        self.serving = LocalServing(f"{name}-serving", _serving_args(args, model), child)
        self.load_test = LoadTest(f"{name}-load-test", _load_test_args(args, model, self.serving), child)
        self.register_outputs({})


def _serving_args(args: LocalPlatformArgs, model: ModelExport) -> LocalServingArgs:
    settings = args.settings
    return LocalServingArgs(
        model_name=model.model_name,
        model_path=model.path,
        model_digest=model.digest,
        variant=settings.variant,
        server=settings.local.server,
        rest_port=settings.local.rest_port,
        grpc_port=settings.local.grpc_port,
        start_timeout_s=settings.local.start_timeout_s,
        state_dir=str(args.checkout / ".state/serving" / args.stack),
    )


def _require_cores(processes: int) -> None:
    if processes > (cores := os.cpu_count() or 1):
        raise SettingsError(
            f"shapebench:load.processes is {processes}, but this machine has {cores} cores, so they would wait for each"
            f" other; give {cores} at most"
        )


def _load_test_args(args: LocalPlatformArgs, model: ModelExport, serving: LocalServing) -> LoadTestArgs:
    settings = args.settings
    return LoadTestArgs(
        stack=args.stack,
        platform=settings.platform,
        base_url=base_url(settings.serving.protocol, serving.rest_url, serving.grpc_address),
        rest_url=serving.rest_url,
        fingerprint=serving.fingerprint,
        serving=serving_record(settings, serving.server, serving.server_version, model),
        profile=settings.load.model_dump(),
        shape=settings.node_shape(args.stack).model_dump(),
        region=settings.region,
        repeats=settings.repeats,
        processes=settings.processes,
        rerun=settings.rerun,
        results=store_uri(settings.results, args.checkout),
        work_dir=str(args.checkout / ".state/runs"),
    )
