"""Pods act as their own account, by Workload Identity and without keys."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.requirement import Requirement
from policy.resource import Resource

_METADATA = Requirement(
    "nodeConfig.workloadMetadataConfig.mode", ("GKE_METADATA",), "so any pod can take the node's own credentials"
)


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER and not resource.get("workloadIdentityConfig.workloadPool"):
        yield (
            "it has no workloadIdentityConfig.workloadPool, so pods could read the model only with the node's"
            " credentials; set it to <project>.svc.id.goog"
        )
    if resource.kind == NODE_POOL:
        yield from _METADATA.problems(resource.inputs)
    if resource.kind == "gcp:serviceaccount/key:Key":
        yield (
            "it exports the key of a service account, which never expires and is stored in the state; remove it and let"
            " the Kubernetes service account act as that account (components/gke/model_store.py)"
        )
