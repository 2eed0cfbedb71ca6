"""The start of the servers in a cluster: done once all their pods are ready."""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from provider.cluster.api import Cluster
from provider.cluster.server_start import wait_for_servers
from provider.resource import Operation, Props, Resource, ResourceInputs, ResourceState


class ServerStartInputs(ResourceInputs):
    """components.serving.server_start.ServerStartArgs, as the engine sends it."""

    kubeconfig: Annotated[str | None, Field(repr=False)] = None
    context: str | None = None
    namespace: str
    selector: Mapping[str, str]
    replicas: int
    deployment: str
    limit_s: float


class ServerStart(Resource[ServerStartInputs, ResourceState]):
    """Outputs: nothing beyond the inputs. The pods of another Deployment are waited for anew."""

    token: ClassVar[str] = "shapebench:kubernetes:ServerStart"  # noqa: S105 - Pulumi's name for a type
    inputs = ServerStartInputs
    state = ResourceState
    triggers: ClassVar[frozenset[str]] = frozenset({"deployment"})
    secrets: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def __init__(self, connect: Callable[[ServerStartInputs, Operation], Cluster] | None = None) -> None:
        self._connect = connect or _connect

    def run_create(self, inputs: ServerStartInputs, operation: Operation) -> Props:
        cluster = self._connect(inputs, operation)
        servers = wait_for_servers(cluster, inputs.selector, inputs.replicas, inputs.limit_s, operation)
        operation.info(f"ready servers: {len(servers)}")
        return {}


def _connect(inputs: ServerStartInputs, operation: Operation) -> Cluster:
    from provider.cluster.kube_api import Access, KubeApi  # noqa: PLC0415 - most updates need no client, and it is large

    def on_connection_lost(seconds: float) -> None:
        operation.status(f"no connection to the cluster's API for {seconds:.0f} s")

    return KubeApi(Access(inputs.kubeconfig, inputs.context), inputs.namespace, operation.cancelled, on_connection_lost)
