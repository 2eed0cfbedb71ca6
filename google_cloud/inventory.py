"""Lists the resources of a project that carry a stack's labels, or that GKE created for a stack's cluster."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from google_cloud.kinds import (
    ACCOUNT,
    AGGREGATED,
    BUCKET,
    CLUSTER,
    CLUSTER_NAME,
    GLOBAL,
    INSTANCE,
    NETWORK,
    Kind,
)
from google_cloud.rest import CloudError, GoogleClient, Json, entries
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.names import STACK, as_description, expiry, from_description

# The label that GKE gives to a cluster's machines.
_CLUSTER_OF = "goog-k8s-cluster-name"


@dataclass(frozen=True)
class CloudResource:
    """One resource of the project. `document` is Google's JSON of it."""

    kind: Kind
    name: str
    location: str
    """A zone, a region or `global`."""
    path: str
    """Its path in the service's REST API."""
    document: Json = field(compare=False)
    network: "CloudResource | None" = field(default=None, compare=False)
    """The stack's network that it is in, where it takes its labels from that."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The stack's labels; none where it carries none."""
        return self.network.labels if self.network else labels_of(self.kind, self.name, self.document)

    @property
    def delete_path(self) -> str:
        *parent, plural, name = self.path.rsplit("/", 2)
        return "/".join([*parent, self.kind.deleted_as or plural, name])

    @property
    def stack(self) -> str:
        return self.labels.get(STACK, "")

    @property
    def created_at(self) -> datetime | None:
        """None where Google gives no time."""
        created = next((self.document[key] for key in _CREATED_AT if key in self.document), None)
        try:
            return datetime.fromisoformat(str(created))
        except ValueError:
            return None


_CREATED_AT = ("creationTimestamp", "createTime", "timeCreated")


def labels_of(kind: Kind, name: str, document: Json) -> Mapping[str, str]:
    """The stack's labels of a resource, from the field that its kind has for them; none where one is unreadable.

    A description counts only where it holds the labels and nothing else, so that text about labels is not taken for
    them.
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


def is_in(network: CloudResource, kind: Kind, name: str, document: Json) -> bool:
    """Whether GKE created a resource in this network for a stack's cluster."""
    cluster = _mapping(document.get("labels")).get(_CLUSTER_OF, "") if kind == INSTANCE else None
    if not kind.named.fullmatch(name) or (cluster is not None and not CLUSTER_NAME.fullmatch(cluster)):
        return False
    interfaces = document.get("networkInterfaces", [document])
    # A link to the network, whose host depends on the endpoint that was asked.
    return any(str(interface.get("network")).endswith(f"/{network.path}") for interface in interfaces)


@dataclass(frozen=True)
class Inventory:
    """The resources of stacks, and all clusters of the project; `unlisted` places did not answer."""

    resources: tuple[CloudResource, ...]
    clusters: tuple[CloudResource, ...]
    unlisted: tuple[str, ...]


def inventory(google: GoogleClient, project: str, say: Callable[[str], None]) -> Inventory:
    """List everything that carries a stack's labels.

    Raises CloudError where something cannot be listed, also where the clusters of one zone cannot: what a living
    cluster uses would look like a leftover.
    """
    unlisted: set[str] = set()
    say("listing clusters")
    every_cluster = [*clusters(google, project)]
    listed: list[Iterator[CloudResource]] = [iter(every_cluster)]
    listed += [_aggregated(google, project, kind, unlisted) for kind in AGGREGATED]
    listed += [_of_project(google, project, kind) for kind in GLOBAL]
    listed += [
        _buckets(google, project),
        _of_project(google, project, ACCOUNT, "accounts", "email"),
    ]
    say("listing machines, disks, networks and what is in them, buckets and service accounts")
    resources = [resource for several in listed for resource in several]
    networks = [resource for resource in resources if resource.kind == NETWORK and resource.labels]
    resources = [
        _in_its_network(resource, networks) if resource.kind.of_network else resource for resource in resources
    ]
    return Inventory(
        tuple(resource for resource in resources if resource.labels), tuple(every_cluster), tuple(sorted(unlisted))
    )


def is_within(place: str, region: str | None) -> bool:
    """Whether a zone or a region is in `region`; every place is if that is None."""
    return region in {None, place, place.rpartition("-")[0]}


def clusters(google: GoogleClient, project: str) -> Iterator[CloudResource]:
    """All clusters of the project; raises CloudError where those of a zone cannot be listed."""
    answer = google.get("container", f"projects/{project}/locations/-/clusters")
    if unlisted := answer.get("missingZones"):
        raise CloudError(
            f"Google did not list the clusters of {', '.join(unlisted)}, so it is not known what belongs to them; try"
            " again in some minutes"
        )
    for entry in entries(answer, "clusters"):
        location = _text(entry, "location")
        path = f"projects/{project}/locations/{location}/clusters"
        yield CloudResource(CLUSTER, _text(entry, "name"), location, f"{path}/{_text(entry, 'name')}", entry)


def accounts_of(cluster: Json) -> set[str]:
    """The addresses of the service accounts that a cluster's nodes use, in Google's JSON of it."""
    configs = [cluster.get("nodeConfig"), *(pool.get("config") for pool in entries(cluster, "nodePools"))]
    return {account for config in configs if (account := _mapping(config).get("serviceAccount"))}


def node_pools(cluster: Json) -> list[NodeShape]:
    """The node pools in Google's JSON of a cluster, each of a fixed size.

    Raises KeyError or ValueError where the JSON has another form, or names an unknown machine type.
    """
    return [
        NodeShape.of(
            str(pool.get("name")),
            ShapeSettings(machine_type=pool["config"]["machineType"], nodes=pool["initialNodeCount"]),
        )
        for pool in cluster.get("nodePools", [])
    ]


def _aggregated(google: GoogleClient, project: str, kind: Kind, unlisted: set[str]) -> Iterator[CloudResource]:
    """The resources of a kind in all zones and regions; adds those that do not answer to `unlisted`."""
    pages = google.pages("compute", f"projects/{project}/aggregated/{kind.plural}", returnPartialSuccess="true")
    for page in pages:
        unlisted.update(str(place).rpartition("/")[2] for place in page.get("unreachables", ()))
        scopes = page.get("items", {})
        if not isinstance(scopes, dict):
            raise CloudError(
                f"Google's list of {kind.plural} has an unexpected form, so the resources in it are unknown"
            )
        for scope, listed in scopes.items():
            for entry in entries(listed, kind.plural):
                name, location = _text(entry, "name"), scope.rpartition("/")[2]
                yield CloudResource(kind, name, location, f"projects/{project}/{scope}/{kind.plural}/{name}", entry)


def _of_project(
    google: GoogleClient, project: str, kind: Kind, key: str = "items", named: str = "name"
) -> Iterator[CloudResource]:
    path = f"projects/{project}/{'global/' if kind in GLOBAL else ''}{kind.plural}"
    for page in google.pages(kind.service, path):
        for entry in entries(page, key):
            name = _text(entry, named)
            yield CloudResource(kind, name, "global", f"{path}/{name}", entry)


def _in_its_network(resource: CloudResource, networks: Iterable[CloudResource]) -> CloudResource:
    its_networks = (network for network in networks if is_in(network, resource.kind, resource.name, resource.document))
    return replace(resource, network=next(its_networks, None))


def _buckets(google: GoogleClient, project: str) -> Iterator[CloudResource]:
    for page in google.pages("storage", BUCKET.plural, project=project):
        for entry in entries(page, "items"):
            name, location = _text(entry, "name"), str(entry.get("location", "")).lower()
            yield CloudResource(BUCKET, name, location, f"b/{quote(name, safe='')}", entry)


def _text(document: Json, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise CloudError(f"Google's answer lists a resource without `{key}`, so it cannot be identified")
    return value


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): text for key, text in value.items() if isinstance(text, str)}
