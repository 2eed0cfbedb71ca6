"""LocalPlatform: model, server and load test on this machine, as one component."""

import os

import pulumi

from components.load_test.args import common_args
from components.load_test.local import LoadTest, LoadTestArgs
from components.load_test.store_check import StoreCheck, store_check_args
from components.platform_args import PlatformArgs
from components.serving.local_serving import LocalServing, LocalServingArgs
from components.serving.model_export import ModelExport, export_args
from components.serving.server_cleanup import ServerCleanup, ServerCleanupArgs
from loadtest.run.payload import payload_file
from stacks.explain import SettingsError


class LocalPlatform(pulumi.ComponentResource):
    """All resources of a local stack: the export, the server and the load test, one after the other."""

    serving: LocalServing
    load_test: LoadTest

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        processes, cores = args.settings.processes, os.cpu_count() or 1
        if processes > cores:
            raise SettingsError(
                f"shapebench:load.processes is {processes}, more than the cores of this machine ({cores}), so they"
                f" would wait for each other; give {cores} at most"
            )
        # What was declared before an error is created all the same: Pulumi waits for it.
        payload = payload_file(args.sent.payload, args.checkout / ".cache/payloads")
        super().__init__("shapebench:local:LocalPlatform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        check = StoreCheck(f"{name}-store-check", store_check_args(args), child)
        checked = pulumi.ResourceOptions(parent=self, depends_on=[check])
        model = ModelExport(f"{name}-model", export_args(args), checked)
        folder = args.checkout / ".state/serving" / args.stack
        cleanup = ServerCleanup(f"{name}-server-cleanup", ServerCleanupArgs(str(folder)), checked)
        self.serving = LocalServing(f"{name}-serving", _serving_args(args, model, cleanup), checked)
        common = common_args(args, model, self.serving, self.serving.server, self.serving.server_version)
        load_test_args = LoadTestArgs(
            **vars(common),
            rest_url=self.serving.rest_url,
            payload=str(payload),
            server_log=self.serving.log,
            start_timeout_s=args.settings.local.start_timeout_s,
        )
        self.load_test = LoadTest(f"{name}-load-test", load_test_args, child)
        self.register_outputs({})


def _serving_args(args: PlatformArgs, model: ModelExport, cleanup: ServerCleanup) -> LocalServingArgs:
    settings = args.settings
    return LocalServingArgs(
        model=args.model.model_dump(exclude_none=True),
        model_path=model.path,
        model_digest=model.digest,
        variant=settings.variant,
        grpc_threads=settings.request_threads.grpc,
        rest_threads=settings.request_threads.rest,
        server=settings.local.server,
        rest_port=settings.local.rest_port,
        grpc_port=settings.local.grpc_port,
        start_timeout_s=settings.local.start_timeout_s,
        state_dir=cleanup.state_dir,
    )
