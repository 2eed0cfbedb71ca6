"""Removes leftovers one after the other: reads each again, deletes it, and waits until it is gone."""

import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from google_cloud.inventory import CloudResource, accounts_of, clusters, is_in, labels_of
from google_cloud.kinds import ACCOUNT, BUCKET, CLUSTER
from google_cloud.leftovers import Leftover
from google_cloud.rest import NOT_FOUND, CloudError, GoogleClient, Json, entries

# GKE takes about five minutes to delete a cluster.
_DELETION_TIMEOUT_S = 1800.0
_POLL_INTERVAL_S = 5.0


class Remover:
    """Deletes only what still carries a stack's labels when it is read again."""

    def __init__(self, google: GoogleClient, say: Callable[[str], None]) -> None:
        self._google, self._say = google, say

    def remove(self, leftovers: Iterable[Leftover]) -> Iterator[tuple[Leftover, str | None]]:
        """Remove each in turn; yields it with the reason why it is not gone, None where it is.

        A failure does not stop the next ones, though Google refuses those still in use.
        """
        for leftover in leftovers:
            self._say(f"removing {leftover.resource.kind.name} {leftover.resource.name} ({leftover.resource.location})")
            try:
                yield leftover, self._remove(leftover)
            except CloudError as error:
                yield leftover, None if error.status == NOT_FOUND else str(error)

    def _remove(self, leftover: Leftover) -> str | None:
        resource = leftover.resource
        labelled = resource.network or resource
        if labels_of(labelled.kind, labelled.name, self._current(labelled)) != labelled.labels:
            return "its labels have changed since it was listed, so it is in use"
        if resource.network and not is_in(resource.network, resource.kind, resource.name, self._current(resource)):
            return "it is in another network than when it was listed"
        if resource.kind == ACCOUNT and (used_by := self._clusters_with(resource)):
            # Google deletes an account that is in use, and its nodes lose their rights.
            return f"the nodes of cluster {', '.join(used_by)} use it"
        if resource.kind == BUCKET:
            self._empty(resource)
        self._wait(resource, self._google.delete(resource.kind.service, resource.delete_path))
        return None

    def _current(self, resource: CloudResource) -> Json:
        return self._google.get(resource.kind.service, resource.path)

    def _clusters_with(self, account: CloudResource) -> list[str]:
        """The clusters that use it now: one may have been created since it was listed, or could not be deleted."""
        project = account.path.split("/")[1]
        return [
            cluster.name for cluster in clusters(self._google, project) if account.name in accounts_of(cluster.document)
        ]

    def _empty(self, bucket: CloudResource) -> None:
        pages = self._google.pages("storage", f"{bucket.path}/o", versions="true")
        for object_version in [entry for page in pages for entry in entries(page, "items")]:
            path = f"{bucket.path}/o/{quote(str(object_version.get('name')), safe='')}"
            self._google.delete("storage", path, generation=str(object_version.get("generation")))

    def _wait(self, resource: CloudResource, operation: Json) -> None:
        """Wait until Google has deleted it. Accounts and buckets are deleted at once, without an operation."""
        if resource.kind.service not in {"compute", "container"}:
            return
        deadline = time.monotonic() + _DELETION_TIMEOUT_S
        path = f"{resource.path.rpartition(f'/{resource.kind.plural}/')[0]}/operations/{operation.get('name')}"
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise CloudError(
                    f"its deletion takes longer than {_DELETION_TIMEOUT_S / 60:.0f} minutes; try again later"
                )
            time.sleep(_POLL_INTERVAL_S)
            operation = self._google.get(resource.kind.service, path)
        if error := operation.get("error"):
            raise CloudError(_reason(error, resource))


def _reason(error: Json, resource: CloudResource) -> str:
    """Google's reason. The container service gives one message, the compute service a list."""
    if resource.kind == CLUSTER:
        return str(error.get("message", "no reason given"))
    return "; ".join(str(entry.get("message")) for entry in entries(error, "errors")) or "no reason given"
