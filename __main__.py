"""The whole story of a stack: its settings, the platform they ask for, what serves, what measures, what comes out."""

from pathlib import Path

import pulumi

from components.local_platform import LocalPlatform, LocalPlatformArgs
from stacks.config import settings_of_this_stack
from stacks.explain import SettingsError

try:
    settings = settings_of_this_stack()
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

if settings.platform == "gke":
    raise pulumi.RunError(
        f"shapebench:platform of stack '{pulumi.get_stack()}' is gke, which this version cannot build yet, so nothing"
        " was created; `pulumi up --stack local` measures on this machine, and `shapebench price` prices every shape"
    )

platform = LocalPlatform("local", LocalPlatformArgs(pulumi.get_stack(), settings, Path(__file__).parent.resolve()))

pulumi.export("shape", settings.node_shape(pulumi.get_stack()).model_dump())
pulumi.export("restUrl", platform.serving.rest_url)
pulumi.export("grpcAddress", platform.serving.grpc_address)
pulumi.export("server", pulumi.Output.format("{0} {1}", platform.serving.server, platform.serving.server_version))
pulumi.export("serverPid", platform.serving.pid)
pulumi.export("serverLog", platform.serving.log)
pulumi.export("runId", platform.load_test.run_id)
pulumi.export("headline", platform.load_test.headline)
