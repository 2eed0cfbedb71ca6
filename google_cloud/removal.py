"""Removes what is left over, one after the other: looked at once more, deleted, waited for."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from google_cloud.grants import take_back
from google_cloud.inventory import Found, is_in, labels_of
from google_cloud.kinds import ACCOUNT, BUCKET, CLUSTER
from google_cloud.leftovers import Leftover
from google_cloud.rest import NOT_FOUND, CloudError, Google, Json, entries

# GKE takes about five minutes to delete a cluster.
_PATIENCE_S = 1800.0
_LOOK_S = 5.0


@dataclass(frozen=True)
class Removed:
    """What became of a leftover: None where it is gone, else why it is not."""

    leftover: Leftover
    failure: str | None


class Remover:
    """Deletes nothing that does not carry labels of ours when it is looked at again."""

    def __init__(self, google: Google, say: Callable[[str], None]) -> None:
        self._google, self._say = google, say

    def remove(self, found: Iterable[Leftover]) -> Iterator[Removed]:
        """Each in turn; one that fails does not keep the others, though what it holds will fail, too."""
        for each in found:
            self._say(f"removing {each.found.kind.name} {each.found.name} ({each.found.location})")
            try:
                yield Removed(each, self._remove(each))
            except CloudError as error:
                yield Removed(each, None if error.status == NOT_FOUND else str(error))

    def _remove(self, leftover: Leftover) -> str | None:
        found = leftover.found
        if not leftover.removable:
            return "it carries no label of ours"
        if not self._still_carries(found.network or found):
            return "its labels have changed since it was listed, so somebody uses it"
        if found.network and not is_in(found.network, found.kind, found.name, self._now(found)):
            return "it is in another network than when it was listed"
        if found.kind == BUCKET:
            self._empty(found)
        if found.kind == ACCOUNT:
            take_back(self._google, found.path.split("/")[1], found.name)
        self._wait(found, self._google.delete(found.kind.service, found.deleted_at))
        return None

    def _still_carries(self, found: Found) -> bool:
        return labels_of(found.kind, found.name, self._now(found)) == found.labels

    def _now(self, found: Found) -> Json:
        return self._google.get(found.kind.service, found.path)

    def _empty(self, bucket: Found) -> None:
        pages = self._google.pages("storage", f"{bucket.path}/o", versions="true")
        for each in [each for page in pages for each in entries(page, "items")]:
            path = f"{bucket.path}/o/{quote(str(each.get('name')), safe='')}"
            self._google.delete("storage", path, generation=str(each.get("generation")))

    def _wait(self, found: Found, operation: Json) -> None:
        """Until Google has deleted it; accounts and buckets are deleted at once, and answer with no operation."""
        if found.kind.service not in {"compute", "container"}:
            return
        deadline = time.monotonic() + _PATIENCE_S
        path = f"{found.path.rpartition(f'/{found.kind.plural}/')[0]}/operations/{operation.get('name')}"
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise CloudError(f"it was not gone after {_PATIENCE_S / 60:.0f} minutes; look again later")
            time.sleep(_LOOK_S)
            operation = self._google.get(found.kind.service, path)
        if error := operation.get("error"):
            raise CloudError(_reason(error, found))


def _reason(error: Json, found: Found) -> str:
    """Compute lists what went wrong, container says one sentence."""
    if found.kind == CLUSTER:
        return str(error.get("message", "no reason given"))
    return "; ".join(str(each.get("message")) for each in entries(error, "errors")) or "no reason given"
