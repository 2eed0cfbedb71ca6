"""The kinds of Google Cloud resources that the stand-in knows: their ids, what Google answers, what is fixed."""

from dataclasses import dataclass

from tests.engine.gcp_stand_in import answers_gke as gke
from tests.engine.gcp_stand_in import answers_rest as rest
from tests.engine.gcp_stand_in.answers import Answer, Place, Properties, as_read


@dataclass(frozen=True)
class Kind:
    """One type of resource.

    `identity` is a path with the inputs' names in braces. `fixed` are the properties, or paths below them, that cannot
    change without a new resource: `ForceNew` in the provider's schema.
    """

    identity: str
    fixed: frozenset[str]
    answers: tuple[Answer, ...] = ()
    required: frozenset[str] = frozenset()
    name: str | None = "name"
    # Properties by which it holds on to other resources: those cannot be deleted while it is there.
    holds: frozenset[str] = frozenset()
    seconds: float = 0.0

    def identify(self, inputs: Properties, place: Place) -> str:
        inputs = as_read(self.answers, inputs)
        defaults = {"project": place.project, "region": place.region, "zone": place.zone, "location": place.zone}
        plain = {key: str(value).rpartition("/")[2] for key, value in inputs.items() if isinstance(value, str)}
        raw = {f"{key}_whole": value for key, value in inputs.items()}
        return self.identity.format(**(defaults | plain | raw))

    def defaults(self, place: Place) -> Properties:
        """What the provider's configuration fills in where the inputs do not say."""
        wanted = {"project": place.project, "region": place.region, "location": place.zone}
        return {key: value for key, value in wanted.items() if value and f"{{{key}}}" in self.identity}


def _member(of: str, answers: tuple[Answer, ...] = rest.MEMBER) -> Kind:
    return Kind(
        identity=f"{{{of}_whole}}/{{role_whole}}/{{member_whole}}",
        fixed=frozenset({of, "role", "member", "condition"}),
        required=frozenset({of, "role", "member"}),
        answers=answers,
        name=None,
    )


_PROJECT = "projects/{project}"
_CLUSTER_PATH = _PROJECT + "/locations/{location}/clusters/"

KINDS: dict[str, Kind] = {
    "gcp:compute/network:Network": Kind(
        identity=_PROJECT + "/global/networks/{name}",
        fixed=frozenset({"name", "project", "autoCreateSubnetworks", "description"}),
        answers=rest.NETWORK,
    ),
    "gcp:compute/subnetwork:Subnetwork": Kind(
        identity=_PROJECT + "/regions/{region}/subnetworks/{name}",
        fixed=frozenset({"name", "project", "region", "network", "description", "ipCidrRange"}),
        required=frozenset({"ipCidrRange", "network"}),
        answers=rest.SUBNETWORK,
        holds=frozenset({"network"}),
    ),
    "gcp:compute/router:Router": Kind(
        identity=_PROJECT + "/regions/{region}/routers/{name}",
        fixed=frozenset({"name", "project", "region", "network"}),
        required=frozenset({"network"}),
        answers=rest.ROUTER,
        holds=frozenset({"network"}),
    ),
    "gcp:compute/routerNat:RouterNat": Kind(
        identity="{project}/{region}/{router}/{name}",
        fixed=frozenset({"name", "project", "region", "router"}),
        required=frozenset({"router", "sourceSubnetworkIpRangesToNat"}),
        answers=rest.ROUTER_NAT,
        holds=frozenset({"router"}),
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
                "dataplaneOptimizationMode",
                "nodeConfig",
                "networkingMode",
                "privateClusterConfig.masterIpv4CidrBlock",
                "masterAuth.clientCertificateConfig",
            }
        ),
        answers=gke.CLUSTER,
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
                "maxPodsPerNode",
                "nodeConfig.metadata",
                "nodeConfig.oauthScopes",
                "nodeConfig.serviceAccount",
                "nodeConfig.shieldedInstanceConfig",
                "nodeConfig.spot",
            }
        ),
        required=frozenset({"cluster"}),
        answers=gke.NODE_POOL,
        holds=frozenset({"cluster"}),
        seconds=0.5,
    ),
    "gcp:projects/iAMMember:IAMMember": _member("project"),
    "gcp:serviceaccount/account:Account": Kind(
        identity=_PROJECT + "/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
        fixed=frozenset({"accountId", "project"}),
        required=frozenset({"accountId"}),
        answers=rest.ACCOUNT,
        name=None,
    ),
    "gcp:storage/bucket:Bucket": Kind(
        identity="{name}",
        fixed=frozenset({"name", "project", "location"}),
        required=frozenset({"location"}),
        answers=rest.BUCKET,
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _member("bucket", rest.BUCKET_MEMBER),
    "gcp:storage/bucketObject:BucketObject": Kind(
        identity="{bucket}-{name_whole}",
        fixed=frozenset({"bucket", "name", "content", "source"}),
        required=frozenset({"bucket"}),
        answers=rest.BUCKET_OBJECT,
    ),
}
