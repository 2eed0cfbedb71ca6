"""Nodes and pods have service accounts of their own."""

import re
from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.pods import pod_specs
from policy.resource import UNKNOWN, Resource, at

_DEFAULT_OF_COMPUTE_ENGINE = re.compile(r"default|\d+-compute@developer\.gserviceaccount\.com")


def check(resource: Resource) -> Iterator[str]:
    # Also the cluster: its default pool has nodes until it is deleted.
    if resource.kind in (CLUSTER, NODE_POOL):
        account = resource.get("nodeConfig.serviceAccount")
        if account is not UNKNOWN and (not account or _DEFAULT_OF_COMPUTE_ENGINE.fullmatch(str(account))):
            yield (
                "its nodes run as the default service account of Compute Engine, which may edit the whole project; give"
                " nodeConfig.serviceAccount an account of its own (components/gke/service_account.py)"
            )
    for spec in pod_specs(resource):
        yield from _pod(spec)


def _pod(spec: object) -> Iterator[str]:
    account, mounted = at(spec, "serviceAccountName"), at(spec, "automountServiceAccountToken")
    if account in (None, "", "default") and mounted not in (False, UNKNOWN):
        yield (
            "its pods have a token of the namespace's default service account, so they get every permission that is"
            " granted to that account for other pods; give them a serviceAccountName of their own, or set"
            " automountServiceAccountToken to false"
        )
