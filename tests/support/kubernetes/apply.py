"""`kubectl apply --server-side --validate=strict`, with the Python client."""

from typing import Any

from kubernetes import dynamic


def applied(cluster: dynamic.DynamicClient, made: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """The object as the API server took it; raises DynamicApiError where it did not."""
    kind = cluster.resources.get(api_version=made["apiVersion"], kind=made["kind"])
    taken = cluster.server_side_apply(
        kind,
        made,
        made["metadata"]["name"],
        made["metadata"].get("namespace"),
        field_manager="tests",
        query_params=[("fieldValidation", "Strict"), *([("dryRun", "All")] if dry_run else [])],
    )
    return dict(taken.to_dict())
