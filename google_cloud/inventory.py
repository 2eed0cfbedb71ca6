"""What there is of ours in a project: everything that carries a stack's labels, as Google lists it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from google_cloud.grants import grants_to_the_gone
from google_cloud.kinds import (
    ACCOUNT,
    AGGREGATED,
    BUCKET,
    CLUSTER,
    CLUSTER_NAME,
    DISK,
    GLOBAL,
    GRANT,
    INSTANCE,
    NETWORK,
    Kind,
)
from google_cloud.rest import FORBIDDEN, CloudError, Google, Json, entries
from stacks.labels import STACK, as_description, expiry, from_description
from stacks.shapes import NodeShape, ShapeSettings

# The label that GKE gives to what it makes for a cluster: the disks of its volumes, its machines.
_CLUSTER_OF = "goog-k8s-cluster-name"


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
    network: "Found | None" = field(default=None, compare=False)
    """The network of ours that it is in, where it has its labels from that."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of ours; none where it is not."""
        return self.network.labels if self.network else labels_of(self.kind, self.name, self.document)

    @property
    def deleted_at(self) -> str:
        """Where the service deletes it."""
        *place, plural, name = self.path.rsplit("/", 2)
        return "/".join([*place, self.kind.deleted_as or plural, name])

    @property
    def stack(self) -> str:
        return self.labels.get(STACK, "")

    @property
    def cluster_of_volume(self) -> str | None:
        """The cluster, named as ours are, whose volume this disk was; None where it is no such disk."""
        cluster = (_mapping(self.document.get("labels")) if self.kind == DISK else {}).get(_CLUSTER_OF, "")
        return cluster if CLUSTER_NAME.fullmatch(cluster) else None

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
    if kind.of_network or not kind.named.fullmatch(name):
        return {}
    if kind.described:
        description = document.get("description")
        labels = from_description(description) if isinstance(description, str) else {}
        if as_description(labels) != description:
            return {}
    else:
        labels = _mapping(document.get("resourceLabels" if kind == CLUSTER else "labels"))
    return labels if labels.get(STACK) and expiry(labels) else {}


def is_in(network: Found, kind: Kind, name: str, document: Json) -> bool:
    """Whether GKE made a thing in this network for a cluster that is named as ours are."""
    marked = _mapping(document.get("labels")).get(_CLUSTER_OF, "") if kind == INSTANCE else None
    if not kind.named.fullmatch(name) or (marked is not None and not CLUSTER_NAME.fullmatch(marked)):
        return False
    cards = document.get("networkInterfaces", [document])
    # A link to it, whose beginning depends on who asked.
    return any(str(card.get("network")).endswith(f"/{network.path}") for card in cards)


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
    listed += [_aggregated(google, project, kind, unheard) for kind in AGGREGATED]
    listed += [_of_project(google, project, kind) for kind in GLOBAL]
    listed += [_buckets(google, project), _accounts(google, project), _grants(google, project, unheard)]
    say("listing machines, disks, addresses, networks and what is in them, buckets and service accounts")
    things = [each for several in listed for each in several]
    networks = [each for each in things if each.kind == NETWORK and each.labels]
    things = [_in_its_network(each, networks) if each.kind.of_network else each for each in things]
    ours = tuple(each for each in things if each.labels or each.cluster_of_volume or each.kind == GRANT)
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


def _of_project(google: Google, project: str, kind: Kind) -> Iterator[Found]:
    path = f"projects/{project}/global/{kind.plural}"
    for each in _all(google.pages("compute", path), "items"):
        yield Found(kind, _text(each, "name"), "global", f"{path}/{_text(each, 'name')}", each)


def _in_its_network(found: Found, networks: Iterable[Found]) -> Found:
    its = (each for each in networks if is_in(each, found.kind, found.name, found.document))
    return replace(found, network=next(its, None))


def _buckets(google: Google, project: str) -> Iterator[Found]:
    for each in _all(google.pages("storage", BUCKET.plural, project=project), "items"):
        name = _text(each, "name")
        yield Found(BUCKET, name, str(each.get("location", "")).lower(), f"b/{quote(name, safe='')}", each)


def _accounts(google: Google, project: str) -> Iterator[Found]:
    path = f"projects/{project}/{ACCOUNT.plural}"
    for each in _all(google.pages("iam", path), "accounts"):
        email = _text(each, "email")
        yield Found(ACCOUNT, email, "global", f"{path}/{email}", each)


def _grants(google: Google, project: str, unheard: set[str]) -> Iterator[Found]:
    """Those to accounts that are gone: nobody can use them, and nothing proves whose they were."""
    try:
        for member, role, binding in grants_to_the_gone(google, project):
            yield Found(GRANT, member, role, "", binding)
    except CloudError as error:
        if error.status != FORBIDDEN:
            raise
        unheard.add("the project's policy")


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
