"""The end of a local server that no state knows: `pulumi destroy` stops it, whenever an update was killed."""

from pathlib import Path
from typing import ClassVar

from provider.local.server_process import stop_all
from provider.resource import Operation, Props, Resource, ResourceInputs, ResourceState


class ServerCleanupInputs(ResourceInputs):
    """components.serving.server_cleanup.ServerCleanupArgs, as the engine sends it."""

    state_dir: str


class ServerCleanupState(ResourceState):
    """The folder whose servers are stopped."""

    state_dir: str


class ServerCleanup(Resource[ServerCleanupInputs, ServerCleanupState]):
    """Outputs: nothing beyond the inputs. It does its work when it is deleted, or its folder changes."""

    token: ClassVar[str] = "shapebench:local:ServerCleanup"  # noqa: S105 - Pulumi's name for a type
    inputs = ServerCleanupInputs
    state = ServerCleanupState
    triggers: ClassVar[frozenset[str]] = frozenset({"stateDir"})

    def run_create(self, inputs: ServerCleanupInputs, operation: Operation) -> Props:  # noqa: ARG002 - nothing to do
        return {}

    def run_update(self, state: ServerCleanupState, inputs: ServerCleanupInputs, operation: Operation) -> Props:
        self.run_delete(state, operation)
        return self.run_create(inputs, operation)

    def run_delete(self, state: ServerCleanupState, operation: Operation) -> None:
        stop_all(Path(state.state_dir), operation.info)
