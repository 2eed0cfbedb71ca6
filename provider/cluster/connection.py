"""The connection to the cluster that a resource's inputs name."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from provider.cluster.api import RETRY_S
from provider.cluster_inputs import NamespaceInputs
from provider.resource import Operation

if TYPE_CHECKING:
    from provider.cluster.kube_api import KubeApi


def connect(inputs: NamespaceInputs, operation: Operation, continues: str = "", retry_s: float = RETRY_S) -> "KubeApi":
    """The API of the cluster; `continues` is what goes on there while the connection is lost."""
    # Most updates need no client, and it is large.
    from provider.cluster.kube_api import KubeApi  # noqa: PLC0415
    from provider.cluster.kubeconfig import Access  # noqa: PLC0415

    def on_connection_lost(seconds: float) -> None:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
        operation.status(f"no usable answer from the cluster since {since:%H:%M} UTC{continues}")

    access = Access(inputs.kubeconfig, inputs.context)
    return KubeApi(access, inputs.namespace, operation.cancelled, on_connection_lost, retry_s)
