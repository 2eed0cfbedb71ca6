"""The kinds of Google Cloud resources that the stand-in knows: their ids, what it invents for them, what is fixed."""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Properties = dict[str, Any]
_COMPUTE = "https://www.googleapis.com/compute/v1"
_CONTAINER = "https://container.googleapis.com/v1"


@dataclass(frozen=True)
class Place:
    """Where the provider is configured to make things, and the API server of its clusters."""

    project: str
    region: str
    zone: str
    control_plane: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """One type of resource.

    `identity` is a path with the inputs' names in braces. `invent` makes what Google adds to the inputs. `fixed` are
    the properties, or paths below them, that cannot change without a new resource.
    """

    identity: str
    fixed: frozenset[str]
    invent: Callable[[Properties, str, Place], Properties] = lambda *_: {}
    required: frozenset[str] = frozenset()
    name: str | None = "name"
    labels: str | None = None
    # Properties by which it holds on to other resources: those cannot be deleted while it is there.
    holds: frozenset[str] = frozenset()
    seconds: float = 0.0

    def identify(self, inputs: Properties, place: Place) -> str:
        defaults = {"project": place.project, "region": place.region, "zone": place.zone, "location": place.zone}
        plain = {key: str(value).rpartition("/")[2] for key, value in inputs.items() if isinstance(value, str)}
        raw = {f"{key}_whole": value for key, value in inputs.items()}
        return self.identity.format(**(defaults | plain | raw))

    def defaults(self, place: Place) -> Properties:
        """What the provider's configuration fills in where the inputs do not say."""
        wanted = {"project": place.project, "region": place.region, "location": place.zone}
        return {key: value for key, value in wanted.items() if value and f"{{{key}}}" in self.identity}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digits(text: str) -> str:
    return str(int(_digest(text)[:14], 16))


def _compute(_: Properties, identity: str, __: Place) -> Properties:
    return {"selfLink": f"{_COMPUTE}/{identity}", "creationTimestamp": "2025-01-01T00:00:00.000-00:00"}


def _network(inputs: Properties, identity: str, place: Place) -> Properties:
    return {
        "selfLink": f"{_COMPUTE}/{identity}",
        "networkId": _digits(identity),
        "numericId": _digits(identity),
        "gatewayIpv4": "",
    }


def _subnetwork(inputs: Properties, identity: str, place: Place) -> Properties:
    return _compute(inputs, identity, place) | {
        "fingerprint": b64encode(_digest(identity)[:8].encode()).decode(),
        "gatewayAddress": inputs["ipCidrRange"].rpartition(".")[0] + ".1",
        "subnetworkId": int(_digits(identity)),
    }


def _cluster(inputs: Properties, identity: str, place: Place) -> Properties:
    address, certificate = place.control_plane.get("address"), place.control_plane.get("ca_certificate", "")
    given = inputs.get("controlPlaneEndpointsConfig") or {}
    dns = (given.get("dnsEndpointConfig") or {}) | {"endpoint": address}
    return {
        "endpoint": address,
        "masterAuth": (inputs.get("masterAuth") or {}) | {"clusterCaCertificate": certificate, "clientCertificate": ""},
        "controlPlaneEndpointsConfig": given | {"dnsEndpointConfig": dns},
        "masterVersion": "1.34.4-gke.1047000",
        "nodeVersion": "1.34.4-gke.1047000",
        "selfLink": f"{_CONTAINER}/{identity}",
        "labelFingerprint": _digest(identity)[:8],
        "operation": "",
        "servicesIpv4Cidr": "10.30.0.0/20",
    }


def _node_pool(inputs: Properties, identity: str, place: Place) -> Properties:
    zone = inputs.get("location") or place.zone
    group = f"{_COMPUTE}/projects/{place.project}/zones/{zone}/instanceGroupManagers/gke-{_digest(identity)[:8]}-grp"
    return {
        "version": "1.34.4-gke.1047000",
        "instanceGroupUrls": [group],
        "managedInstanceGroupUrls": [group.replace("instanceGroupManagers", "instanceGroups")],
        "operation": "",
    }


def _account(inputs: Properties, identity: str, place: Place) -> Properties:
    email = f"{inputs['accountId']}@{inputs.get('project') or place.project}.iam.gserviceaccount.com"
    return {
        "email": email,
        "member": f"serviceAccount:{email}",
        "name": f"projects/{place.project}/serviceAccounts/{email}",
        "uniqueId": _digits(identity),
    }


def _bucket(inputs: Properties, identity: str, _: Place) -> Properties:
    return {
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{identity}",
        "url": f"gs://{identity}",
        "projectNumber": 123456789012,
        "timeCreated": "2025-01-01T00:00:00.000Z",
        "updated": "2025-01-01T00:00:00.000Z",
    }


def _bucket_object(inputs: Properties, identity: str, _: Place) -> Properties:
    path = f"https://www.googleapis.com/storage/v1/b/{inputs['bucket']}/o/{inputs['name'].replace('/', '%2F')}"
    return {
        "selfLink": path,
        "mediaLink": f"{path}?alt=media",
        "outputName": inputs["name"],
        "generation": int(_digits(identity)),
        "md5hash": b64encode(bytes.fromhex(_digest(str(inputs.get("source") or inputs.get("content"))))[:16]).decode(),
    }


def _grant(_: Properties, identity: str, __: Place) -> Properties:
    return {"etag": b64encode(_digest(identity)[:9].encode()).decode()}


def _member(of: str) -> Kind:
    return Kind(
        identity=f"{{{of}_whole}}/{{role_whole}}/{{member_whole}}",
        fixed=frozenset({of, "role", "member", "condition"}),
        required=frozenset({of, "role", "member"}),
        invent=_grant,
        name=None,
    )


_PROJECT = "projects/{project}"
_CLUSTER_PATH = _PROJECT + "/locations/{location}/clusters/"

KINDS: dict[str, Kind] = {
    "gcp:compute/network:Network": Kind(
        identity=_PROJECT + "/global/networks/{name}",
        fixed=frozenset({"name", "project", "autoCreateSubnetworks"}),
        invent=_network,
    ),
    "gcp:compute/subnetwork:Subnetwork": Kind(
        identity=_PROJECT + "/regions/{region}/subnetworks/{name}",
        fixed=frozenset({"name", "project", "region", "network", "ipCidrRange"}),
        required=frozenset({"ipCidrRange", "network"}),
        invent=_subnetwork,
        holds=frozenset({"network"}),
    ),
    "gcp:compute/router:Router": Kind(
        identity=_PROJECT + "/regions/{region}/routers/{name}",
        fixed=frozenset({"name", "project", "region", "network"}),
        required=frozenset({"network"}),
        invent=_compute,
        holds=frozenset({"network"}),
    ),
    "gcp:compute/routerNat:RouterNat": Kind(
        identity="{project}/{region}/{router}/{name}",
        fixed=frozenset({"name", "project", "region", "router"}),
        required=frozenset({"router", "sourceSubnetworkIpRangesToNat"}),
        holds=frozenset({"router"}),
    ),
    "gcp:compute/firewall:Firewall": Kind(
        identity=_PROJECT + "/global/firewalls/{name}",
        fixed=frozenset({"name", "project", "network", "direction"}),
        required=frozenset({"network"}),
        invent=_compute,
        holds=frozenset({"network"}),
    ),
    "gcp:compute/address:Address": Kind(
        identity=_PROJECT + "/regions/{region}/addresses/{name}",
        fixed=frozenset({"name", "project", "region", "addressType"}),
        invent=lambda *known: _compute(*known) | {"address": "203.0.113.7"},
        labels="labels",
    ),
    "gcp:container/cluster:Cluster": Kind(
        identity=_CLUSTER_PATH + "{name}",
        fixed=frozenset(
            {
                "name",
                "project",
                "location",
                "network",
                "subnetwork",
                "initialNodeCount",
                "ipAllocationPolicy",
                "datapathProvider",
                "networkingMode",
                "privateClusterConfig.masterIpv4CidrBlock",
                "masterAuth.clientCertificateConfig",
            }
        ),
        invent=_cluster,
        holds=frozenset({"network", "subnetwork"}),
        seconds=0.5,
    ),
    "gcp:container/nodePool:NodePool": Kind(
        identity=_CLUSTER_PATH + "{cluster}/nodePools/{name}",
        fixed=frozenset(
            {
                "name",
                "project",
                "location",
                "cluster",
                "initialNodeCount",
                "nodeConfig.serviceAccount",
                "nodeConfig.shieldedInstanceConfig",
                "nodeConfig.spot",
                "networkConfig.enablePrivateNodes",
            }
        ),
        required=frozenset({"cluster"}),
        invent=_node_pool,
        holds=frozenset({"cluster"}),
        seconds=0.5,
    ),
    "gcp:projects/iAMMember:IAMMember": _member("project"),
    "gcp:projects/service:Service": Kind(
        identity="{project}/{service}", fixed=frozenset({"project", "service"}), name=None
    ),
    "gcp:serviceaccount/account:Account": Kind(
        identity=_PROJECT + "/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
        fixed=frozenset({"accountId", "project"}),
        required=frozenset({"accountId"}),
        invent=_account,
        name=None,
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _member("serviceAccountId"),
    "gcp:storage/bucket:Bucket": Kind(
        identity="{name}",
        fixed=frozenset({"name", "project", "location"}),
        required=frozenset({"location"}),
        invent=_bucket,
        labels="labels",
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _member("bucket"),
    "gcp:storage/bucketObject:BucketObject": Kind(
        identity="{bucket}-{name_whole}",
        fixed=frozenset({"bucket", "name", "content", "source"}),
        required=frozenset({"bucket"}),
        invent=_bucket_object,
    ),
}
