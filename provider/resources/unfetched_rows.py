"""The rows that an interrupted load test left in a cluster: `pulumi destroy` fetches them before it deletes them."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from provider.cluster.api import Cluster, connect
from provider.load_test_inputs import NamespaceInputs
from provider.resource import Operation, Props, Resource, ResourceState

# How long a cluster that is about to be deleted may be unreachable: it may be gone already.
_RETRY_S = 20.0


class UnfetchedRowsInputs(NamespaceInputs):
    """components.load_test.unfetched_rows.UnfetchedRowsArgs, as the engine sends it."""

    stack: str
    results: str
    work_dir: str


class UnfetchedRowsState(ResourceState):
    """The same. The engine adds the kubeconfig, which is no output, from the inputs of the last update."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str
    stack: str
    results: str
    work_dir: str


class UnfetchedRows(Resource[UnfetchedRowsInputs, UnfetchedRowsState]):
    """Outputs: nothing beyond the inputs. It does its work when it is deleted, or its namespace changes."""

    token: ClassVar[str] = "shapebench:kubernetes:UnfetchedRows"  # noqa: S105 - Pulumi's name for a type
    inputs = UnfetchedRowsInputs
    state = UnfetchedRowsState
    triggers: ClassVar[frozenset[str]] = frozenset({"context", "namespace"})
    secrets: ClassVar[frozenset[str]] = frozenset({"kubeconfig"})

    def __init__(self, connect_to: Callable[[NamespaceInputs, Operation], Cluster] | None = None) -> None:
        self._connect = connect_to or _connect

    def run_create(self, inputs: UnfetchedRowsInputs, operation: Operation) -> Props:  # noqa: ARG002 - nothing to do
        return {}

    def run_update(self, state: UnfetchedRowsState, inputs: UnfetchedRowsInputs, operation: Operation) -> Props:
        self.run_delete(state, operation)
        return self.run_create(inputs, operation)

    def run_delete(self, state: UnfetchedRowsState, operation: Operation) -> None:
        # It takes half a second to import, with pandas and SciPy, and only this needs it.
        from provider.cluster.left_jobs import Destination, collect_before_deletion  # noqa: PLC0415 - see above

        access = NamespaceInputs(kubeconfig=state.kubeconfig, context=state.context, namespace=state.namespace)
        to = Destination(state.stack, state.namespace, state.results, Path(state.work_dir))
        collect_before_deletion(lambda: self._connect(access, operation), to, operation)


def _connect(inputs: NamespaceInputs, operation: Operation) -> Cluster:
    return connect(inputs, operation, retry_s=_RETRY_S)
