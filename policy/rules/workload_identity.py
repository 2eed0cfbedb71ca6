"""Pods act as their own account, by Workload Identity and without keys."""

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.resource import UNKNOWN, Resource

_METADATA_MODE = "nodeConfig.workloadMetadataConfig.mode"


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER and not resource.get("workloadIdentityConfig.workloadPool"):
        yield (
            "it has no workloadIdentityConfig.workloadPool, so pods could read the model only with the node's"
            " credentials; set it to <project>.svc.id.goog"
        )
    if resource.kind == NODE_POOL and resource.get(_METADATA_MODE) not in ("GKE_METADATA", UNKNOWN):
        yield (
            f"its {_METADATA_MODE} is not GKE_METADATA, so any pod can take the node's own credentials; set it to"
            " GKE_METADATA"
        )
    if resource.kind == "gcp:serviceaccount/key:Key":
        yield (
            "it exports the key of a service account, which never expires and is stored in the state; remove it and let"
            " the Kubernetes service account act as that account (components/gke/model_store.py)"
        )
