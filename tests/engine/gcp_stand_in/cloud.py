"""How the stand-in behaves: what the real provider and Google answer to being asked for, changed and deleted."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.gcp_stand_in.answers import Asked, Place, Properties, apply, apply_unknown
from tests.engine.gcp_stand_in.difference import at, different_paths, is_same, refreshed
from tests.engine.gcp_stand_in.kinds import KINDS, Kind
from tests.engine.gcp_stand_in.memory import Fault, Memory

_BUCKET, _OBJECT = "gcp:storage/bucket:Bucket", "gcp:storage/bucketObject:BucketObject"
_ON_CLUSTERS = ("gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool")
# A preview of these fails without a project: DefaultProviderProject in their CustomizeDiff. Others fail when made.
# https://github.com/hashicorp/terraform-provider-google-beta/blob/93c65b2/google-beta/tpgresource/utils.go#L946
_PLANNED_IN_A_PROJECT = {
    "gcp:compute/network:Network",
    "gcp:compute/router:Router",
    "gcp:compute/routerNat:RouterNat",
    "gcp:compute/subnetwork:Subnetwork",
    "gcp:container/nodePool:NodePool",
    "gcp:serviceaccount/account:Account",
}


class CloudError(Exception):
    """What Google answers instead of doing it."""


class HalfMadeError(CloudError):
    """It is there, and not whole."""

    def __init__(self, message: str, identity: str, properties: Properties) -> None:
        super().__init__(message)
        self.identity, self.properties = identity, properties


@dataclass(frozen=True)
class Cloud:
    """Google Cloud as far as this project goes, in one project."""

    memory: Memory
    place: Place

    def check(self, token: str, name: str, inputs: Properties, old: Properties, seed: str) -> Properties:
        """The inputs with a name where none is given: the old one, or a new one with seven hex digits."""
        kind = _kind(token)
        if kind.name is None or kind.name in inputs:
            return inputs
        return inputs | {kind.name: old.get(kind.name) or f"{name}-{seed[:7]}"}

    def failures(self, token: str, inputs: Properties) -> list[str]:
        return [f"{field}: required field is not set" for field in sorted(_kind(token).required - inputs.keys())]

    def preview(self, token: str, inputs: Properties) -> Properties:
        """What is known before it is made; all that Google adds is unknown."""
        kind = _kind(token)
        if token in _PLANNED_IN_A_PROJECT and not (inputs.get("project") or self.place.project):
            raise CloudError("Failed to retrieve project, pid: , err: project: required field is not set")
        return kind.defaults(self.place) | apply_unknown(kind.answers, inputs)

    def preview_update(self, token: str, identity: str, inputs: Properties) -> Properties:
        """What an update leads to. What Google adds stays as it is."""
        return self._complete(_kind(token), inputs, identity)

    def create(self, token: str, urn: str, inputs: Properties) -> tuple[str, Properties]:
        kind = _kind(token)
        self._refuse_unusable(token, inputs)
        identity = kind.identify(inputs, self.place)
        fault = self.memory.take_fault("create", urn)
        _raise_at_once(fault)
        properties = self._complete(kind, inputs, identity)
        with self.memory.resources() as resources:
            if token == _ON_CLUSTERS[0]:
                _describe_pools(properties, identity, resources)
            # An upload takes the place of what was there.
            if f"{token}::{identity}" in resources and token != _OBJECT:
                raise CloudError(f"googleapi: Error 409: Already exists: {identity}., alreadyExists")
            _refuse_while_busy(token, identity, resources)
            seconds = fault.seconds if fault else kind.seconds
            resources[f"{token}::{identity}"] = {
                "type": token, "id": identity, "urn": urn, "inputs": inputs, "properties": properties,
                "ready_at": time.time() + seconds,
            }  # fmt: skip
        self.memory.log("create", urn=urn, id=identity)
        time.sleep(seconds)
        if fault is not None and fault.effect == "half-way":
            raise HalfMadeError(
                "Error waiting for creating GKE cluster: the operation ended in state ERROR: some of its nodes did not "
                "register",
                identity, properties,
            )  # fmt: skip
        return identity, properties

    def update(self, token: str, urn: str, identity: str, inputs: Properties) -> Properties:
        kind = _kind(token)
        _raise_at_once(self.memory.take_fault("update", urn))
        properties = self._complete(kind, inputs, identity)
        with self.memory.resources() as resources:
            if token == _ON_CLUSTERS[0]:
                _describe_pools(properties, identity, resources)
            known = resources.get(f"{token}::{identity}")
            if known is None:
                raise CloudError(f"googleapi: Error 404: Not found: {identity}., notFound")
            _refuse_while_busy(token, identity, resources)
            known |= {"inputs": inputs, "properties": properties}
        self.memory.log("update", urn=urn, id=identity)
        return properties

    def read(self, token: str, urn: str, identity: str, inputs: Properties) -> tuple[Properties, Properties] | None:
        """What is there, and the inputs as that makes them. Without inputs it is read for the first time."""
        _raise_at_once(self.memory.take_fault("read", urn))
        with self.memory.resources() as resources:
            known = resources.get(f"{token}::{identity}")
            if known is None:
                return None
            properties = known["properties"]
            if token == _ON_CLUSTERS[0]:
                _describe_pools(properties, identity, resources)
            return properties, refreshed(inputs or known["inputs"], properties)

    def delete(self, token: str, urn: str, identity: str) -> None:
        fault = self.memory.take_fault("delete", urn)
        _raise_at_once(fault)
        time.sleep(fault.seconds if fault else 0)
        with self.memory.resources() as resources:
            known = resources.get(f"{token}::{identity}")
            if known is None:
                return
            _refuse_protected(token, known["inputs"], resources)
            _refuse_while_busy(token, identity, resources)
            _refuse_in_use(known, resources)
            # With its cluster a node pool is gone, too.
            for key in [key for key in resources if key.startswith(f"{_ON_CLUSTERS[1]}::{identity}/")]:
                del resources[key]
            # And with a bucket that may be emptied its objects.
            for key in [key for key, resource in resources.items() if token == _BUCKET and _is_in(resource, known)]:
                del resources[key]
            del resources[f"{token}::{identity}"]
        self.memory.log("delete", urn=urn, id=identity)

    def _complete(self, kind: Kind, inputs: Properties, identity: str) -> Properties:
        resource = Asked(kind.defaults(self.place) | inputs, identity, self.place)
        return apply(kind.answers, resource) | {"id": identity}

    def _refuse_unusable(self, token: str, inputs: Properties) -> None:
        if "project" in _kind(token).fixed and not (inputs.get("project") or self.place.project):
            raise CloudError("project: required field is not set")
        source = inputs.get("source")
        if isinstance(source, dict) and not Path(source.get("path", "")).is_file():
            raise CloudError(f"unable to open {source.get('path')!r} for uploading: there is no such file")


def changed_paths(
    token: str, state: Properties, inputs: Properties, ignored: Collection[str]
) -> tuple[list[str], list[str]]:
    """The paths that differ, and the properties of them that need a new resource."""
    kind = _kind(token)
    changed = different_paths(kind.answers, state, inputs, ignored)
    replacing = {
        path.partition(".")[0]
        for path in changed
        for fixed in kind.fixed
        if f"{path}.".startswith(f"{fixed}.")
        or (fixed.startswith(f"{path}.") and not is_same(at(state, fixed), at(inputs, fixed)))
    }
    return changed, sorted(replacing)


def is_named_by_the_program(token: str, name: str, inputs: Properties) -> bool:
    """Whether two of it cannot be there at once."""
    kind = _kind(token)
    return kind.name is None or not str(inputs.get(kind.name, "")).startswith(f"{name}-")


def _kind(token: str) -> Kind:
    if token not in KINDS:
        raise CloudError(f"the stand-in does not know {token}; teach it in tests/engine/gcp_stand_in/kinds.py")
    return KINDS[token]


def _describe_pools(cluster: Properties, identity: str, resources: dict[str, Any]) -> None:
    """A cluster's node configuration is that of its first pool: none, once the default pool is removed."""
    pools = [
        resource["properties"]
        for key, resource in resources.items()
        if key.startswith(f"{_ON_CLUSTERS[1]}::{identity}/")
    ]
    cluster.pop("nodeConfig", None)
    if pools:
        cluster["nodeConfig"] = pools[0]["nodeConfig"]
    cluster["nodePools"] = [{key: pool[key] for key in ("name", "nodeConfig", "version")} for pool in pools]


def _raise_at_once(fault: Fault | None) -> None:
    if fault is not None and fault.effect == "quota":
        raise CloudError(
            'googleapi: Error 403: Insufficient regional quota to satisfy request: resource "CPUS": request requires '
            "'16.0' and is short '12.0'. project has a quota of '24.0' with '4.0' available., forbidden"
        )
    if fault is not None and fault.effect == "rate-limit":
        raise CloudError(
            "googleapi: Error 429: Quota exceeded for quota metric 'Write requests' and limit 'Write requests per "
            "minute' of service 'container.googleapis.com'., rateLimitExceeded"
        )


def _refuse_protected(token: str, inputs: Properties, resources: dict[str, Any]) -> None:
    if token == _ON_CLUSTERS[0] and inputs.get("deletionProtection", True):
        raise CloudError(
            "Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with "
            "cluster deletion"
        )
    if token == _BUCKET and not inputs.get("forceDestroy"):
        held = any(_is_in(resource, {"inputs": inputs}) for resource in resources.values())
        if held or (inputs.get("versioning") or {}).get("enabled"):
            raise CloudError(f"Error trying to delete bucket {inputs['name']} containing objects without force_destroy")


def _is_in(resource: dict[str, Any], bucket: dict[str, Any]) -> bool:
    return resource["type"] == _OBJECT and resource["inputs"]["bucket"] == bucket["inputs"]["name"]


def _refuse_while_busy(token: str, identity: str, resources: dict[str, Any]) -> None:
    """GKE does one thing at a time to a cluster and its pools."""
    if token not in _ON_CLUSTERS:
        return
    cluster = identity.partition("/nodePools/")[0]
    if token == _ON_CLUSTERS[1] and f"{_ON_CLUSTERS[0]}::{cluster}" not in resources:
        raise CloudError(f"googleapi: Error 404: Not found: {cluster}., notFound")
    busy = [
        resource["id"]
        for resource in resources.values()
        if resource["type"] in _ON_CLUSTERS
        and resource["id"].startswith(cluster)
        and resource["ready_at"] > time.time()
    ]
    if busy:
        raise CloudError(
            f"googleapi: Error 400: Cluster is running incompatible operation on {busy[0]}., failedPrecondition"
        )


def _refuse_in_use(known: dict[str, Any], resources: dict[str, Any]) -> None:
    names = {known["id"], known["properties"].get("selfLink"), known["inputs"].get("name")} - {None}
    holders = [
        resource["id"]
        for resource in resources.values()
        if any(resource["inputs"].get(key) in names for key in KINDS[resource["type"]].holds)
        # A cluster takes its node pools with it.
        and not (known["type"] == _ON_CLUSTERS[0] and resource["type"] == _ON_CLUSTERS[1])
    ]
    if holders:
        raise CloudError(
            f"googleapi: Error 400: The resource '{known['id']}' is already being used by '{holders[0]}', "
            "resourceInUseByAnotherResource"
        )
