"""What there is of ours in a project: everything that carries a stack's labels, as Google lists it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from cloud.rest import CloudError, Google, Json, entries
from components.labels import STACK, as_description, expiry, from_description
from stacks.shapes import NodeShape, ShapeSettings

# The labels that GKE gives to the disk of a volume, and the names that Pulumi gives to the clusters of our stacks.
_CLUSTER_OF_DISK = "goog-k8s-cluster-name"
_CLUSTER_NAME = re.compile(r"gke-cluster-control-plane-[0-9a-f]{7}")


@dataclass(frozen=True)
class Kind:
    """A kind of thing in Google Cloud, and where its REST API has it."""

    name: str
    service: Literal["compute", "container", "iam", "storage"]
    plural: str
    named: re.Pattern[str] = re.compile(r".*")
    """What every one of ours is called, beside what it carries."""
    described: bool = False
    """Whether the labels are in its description, for it can carry none."""


CLUSTER = Kind("cluster", "container", "clusters")
FORWARDING_RULE = Kind("forwarding rule", "compute", "forwardingRules")
ADDRESS = Kind("address", "compute", "addresses")
DISK = Kind("disk", "compute", "disks")
BUCKET = Kind("bucket", "storage", "b")
ROUTER = Kind("router", "compute", "routers", re.compile(r"gke-network-router-.+"), described=True)
SUBNETWORK = Kind("subnetwork", "compute", "subnetworks", re.compile(r"gke-network-subnet-.+"), described=True)
NETWORK = Kind("network", "compute", "networks", re.compile(r"gke-network-vpc-.+"), described=True)
ACCOUNT = Kind("service account", "iam", "serviceAccounts", re.compile(r"shapebench-.+"), described=True)

KINDS = (CLUSTER, FORWARDING_RULE, ADDRESS, DISK, BUCKET, ROUTER, SUBNETWORK, NETWORK, ACCOUNT)
"""In the order in which they can be removed: whatever holds another comes before it."""

_AGGREGATED = (FORWARDING_RULE, ADDRESS, DISK, ROUTER, SUBNETWORK)


@dataclass(frozen=True)
class Found:
    """One thing in the project. `document` is Google's account of it."""

    kind: Kind
    name: str
    location: str
    """A zone, a region or `global`."""
    path: str
    """Where the service has it."""
    document: Json = field(compare=False)

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of ours; none where it is not."""
        return labels_of(self.kind, self.name, self.document)

    @property
    def stack(self) -> str:
        return self.labels.get(STACK, "")

    @property
    def cluster_of_volume(self) -> str | None:
        """The cluster, named as ours are, whose volume this disk was; None where it is no such disk."""
        cluster = (_mapping(self.document.get("labels")) if self.kind == DISK else {}).get(_CLUSTER_OF_DISK, "")
        return cluster if _CLUSTER_NAME.fullmatch(cluster) else None

    @property
    def made_at(self) -> datetime | None:
        """None where Google does not say."""
        said = next((self.document[key] for key in _MADE_AT if key in self.document), None)
        try:
            return datetime.fromisoformat(str(said))
        except ValueError:
            return None


_MADE_AT = ("creationTimestamp", "createTime", "timeCreated")


def labels_of(kind: Kind, name: str, document: Json) -> Mapping[str, str]:
    """The labels of ours that a thing carries: whole, readable, and in the place that its kind has for them; or none.

    A description counts only where it is ours to the letter: who writes about our labels does not carry them.
    """
    if not kind.named.fullmatch(name):
        return {}
    if kind.described:
        description = document.get("description")
        labels = from_description(description) if isinstance(description, str) else {}
        if as_description(labels) != description:
            return {}
    else:
        labels = _mapping(document.get("resourceLabels" if kind == CLUSTER else "labels"))
    return labels if labels.get(STACK) and expiry(labels) else {}


@dataclass(frozen=True)
class Inventory:
    """Everything that is or may be ours, and every cluster of the project. `unheard` could not be asked."""

    things: tuple[Found, ...]
    clusters: tuple[Found, ...]
    unheard: tuple[str, ...]


def inventory(google: Google, project: str, say: Callable[[str], None]) -> Inventory:
    """Everything that carries labels of ours, and the disks of volumes of clusters like ours.

    Raises CloudError where something cannot be listed. Zones whose clusters are unknown count as that: what a living
    cluster needs would look as if it were left over.
    """
    unheard: set[str] = set()
    say("listing clusters")
    every_cluster = [*clusters(google, project)]
    listed: list[Iterator[Found]] = [iter(every_cluster)]
    listed += [_aggregated(google, project, kind, unheard) for kind in _AGGREGATED]
    listed += [_networks(google, project), _buckets(google, project), _accounts(google, project)]
    say("listing disks, addresses, forwarding rules, networks, buckets and service accounts")
    things = (each for several in listed for each in several)
    ours = tuple(each for each in things if each.labels or each.cluster_of_volume)
    return Inventory(ours, tuple(every_cluster), tuple(sorted(unheard)))


def clusters(google: Google, project: str) -> Iterator[Found]:
    """All of the project's; raises CloudError where some zone's are not known."""
    answer = google.get("container", f"projects/{project}/locations/-/clusters")
    if silent := answer.get("missingZones"):
        raise CloudError(f"the clusters of {', '.join(silent)} could not be listed, so what they need is not known")
    for each in entries(answer, "clusters"):
        location = _text(each, "location")
        path = f"projects/{project}/locations/{location}/clusters"
        yield Found(CLUSTER, _text(each, "name"), location, f"{path}/{_text(each, 'name')}", each)


def node_pools(cluster: Json) -> list[NodeShape]:
    """Those of a cluster, as Google accounts for it, each of a fixed size.

    Raises KeyError or ValueError where it is in no form that is known, such as an unknown machine type.
    """
    return [
        NodeShape.of(
            str(pool.get("name")),
            ShapeSettings(machine_type=pool["config"]["machineType"], nodes=pool["initialNodeCount"]),
        )
        for pool in cluster.get("nodePools", [])
    ]


def _aggregated(google: Google, project: str, kind: Kind, unheard: set[str]) -> Iterator[Found]:
    """Those of all zones and regions; `unheard` gets the names of those that did not answer."""
    pages = google.pages("compute", f"projects/{project}/aggregated/{kind.plural}", returnPartialSuccess="true")
    for page in pages:
        unheard.update(str(each).rpartition("/")[2] for each in page.get("unreachables", ()))
        scopes = page.get("items", {})
        if not isinstance(scopes, dict):
            raise CloudError(f"the list of {kind.plural} is in no form that is known, so what it lists is not known")
        for scope, listed in scopes.items():
            for each in entries(listed, kind.plural):
                name, place = _text(each, "name"), scope.rpartition("/")[2]
                yield Found(kind, name, place, f"projects/{project}/{scope}/{kind.plural}/{name}", each)


def _networks(google: Google, project: str) -> Iterator[Found]:
    path = f"projects/{project}/global/{NETWORK.plural}"
    for each in _all(google.pages("compute", path), "items"):
        yield Found(NETWORK, _text(each, "name"), "global", f"{path}/{_text(each, 'name')}", each)


def _buckets(google: Google, project: str) -> Iterator[Found]:
    for each in _all(google.pages("storage", BUCKET.plural, project=project), "items"):
        name = _text(each, "name")
        yield Found(BUCKET, name, str(each.get("location", "")).lower(), f"b/{quote(name, safe='')}", each)


def _accounts(google: Google, project: str) -> Iterator[Found]:
    path = f"projects/{project}/{ACCOUNT.plural}"
    for each in _all(google.pages("iam", path), "accounts"):
        email = _text(each, "email")
        yield Found(ACCOUNT, email, "global", f"{path}/{email}", each)


def _all(pages: Iterable[Json], key: str) -> Iterator[Json]:
    for page in pages:
        yield from entries(page, key)


def _text(document: Json, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise CloudError(f"an answer lists something without `{key}`, so it is not known what that is")
    return value


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): each for key, each in value.items() if isinstance(each, str)}
