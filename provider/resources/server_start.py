"""The start of the servers in a cluster: done once all their pods are ready."""

from collections.abc import Callable
from typing import ClassVar

from provider.cluster.api import Cluster, connect
from provider.cluster.servers import wait_for_servers
from provider.load_test_inputs import ClusterInputs
from provider.resource import Operation, Props, Resource, ResourceState


class ServerStartInputs(ClusterInputs):
    """components.serving.server_start.ServerStartArgs, as the engine sends it."""

    # Not in the state of an earlier version.
    autoscaled: bool = False
    deployment: str
    limit_s: float


class ServerStart(Resource[ServerStartInputs, ResourceState]):
    """Outputs: nothing beyond the inputs. The pods of another Deployment are waited for anew."""

    token: ClassVar[str] = "shapebench:kubernetes:ServerStart"  # noqa: S105 - Pulumi's name for a type
    inputs = ServerStartInputs
    state = ResourceState
    triggers: ClassVar[frozenset[str]] = frozenset({"deployment"})
    secrets: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def __init__(self, connect_to: Callable[[ServerStartInputs, Operation], Cluster] | None = None) -> None:
        self._connect = connect_to or connect

    def run_create(self, inputs: ServerStartInputs, operation: Operation) -> Props:
        cluster = self._connect(inputs, operation)
        servers = wait_for_servers(
            cluster, inputs.selector, inputs.replicas, inputs.limit_s, operation, autoscaled=inputs.autoscaled
        )
        operation.info(f"ready servers: {len(servers)}")
        return {}
