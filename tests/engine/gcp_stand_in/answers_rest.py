"""What Compute Engine, Cloud Storage and IAM answer."""

from typing import Any

from tests.engine.gcp_stand_in.answers import (
    COMPUTE,
    UNKNOWN,
    Answer,
    Asked,
    LeftOut,
    Source,
    digest,
    digits,
    labels_of,
    project_of,
    short,
)

_STORAGE = "https://www.googleapis.com/storage/v1/b"
_TIME = "2026-01-01T00:00:00.000Z"


def _member(resource: Asked) -> str:
    member = resource.inputs["member"]
    kind, _, name = member.partition(":")
    return member if kind.startswith("principal") else f"{kind}:{name.lower()}"


def _self_link(resource: Asked) -> str:
    return f"{COMPUTE}/{resource.identity}"


def _link(name: str) -> str:
    return name if name.startswith("https://") else f"{COMPUTE}/{name}"


def _network(resource: Asked) -> str:
    return _link(resource.inputs["network"])


def _subnetworks(resource: Asked) -> list[Any]:
    return [
        subnetwork | {"name": _link(subnetwork["name"])}
        for subnetwork in resource.inputs.get("subnetworks") or []
        if subnetwork != UNKNOWN
    ]


def _digits(resource: Asked) -> str:
    return digits(resource.identity)


def _email(resource: Asked) -> str:
    return f"{resource.inputs['accountId']}@{project_of(resource)}.iam.gserviceaccount.com"


def _object(resource: Asked) -> str:
    return f"{_STORAGE}/{resource.inputs['bucket']}/o/{resource.inputs['name'].replace('/', '%2F')}"


def _content_digest(resource: Asked) -> str:
    return digest(str(resource.inputs.get("source") or resource.inputs.get("content")))[:32]


def _md5(resource: Asked) -> str:
    return short(_content_digest(resource))


_CREATED = Answer("creationTimestamp", "2026-01-01T00:00:00.000-08:00", Source.REFERENCE)
_DELETION_POLICY = Answer("deletionPolicy", "DELETE", Source.PROVIDER)
_SELF_LINK = Answer("selfLink", _self_link, Source.RECORDING_2025)

NETWORK = (
    Answer("bgpBestPathSelectionMode", "LEGACY", Source.RECORDING_2025),
    _DELETION_POLICY,
    Answer("gatewayIpv4", "", Source.RECORDING_2025),
    Answer(
        "networkFirewallPolicyEnforcementOrder",
        "AFTER_CLASSIC_FIREWALL",
        Source.RECORDING_2025,
        LeftOut.DEFAULT,
    ),
    Answer("networkId", _digits, Source.RECORDING_2025),
    Answer("numericId", _digits, Source.RECORDING_2025),
    Answer("routingMode", "REGIONAL", Source.RECORDING_2025),
    _SELF_LINK,
)

SUBNETWORK = (
    _CREATED,
    _DELETION_POLICY,
    Answer("fingerprint", lambda resource: short(resource.identity), Source.REFERENCE),
    Answer(
        "gatewayAddress",
        lambda resource: resource.inputs["ipCidrRange"].rpartition(".")[0] + ".1",
        Source.RECORDING_2025,
    ),
    Answer("network", _network, Source.RECORDING_2025, LeftOut.SUPPRESSED, in_place=True),
    Answer("privateIpv6GoogleAccess", "DISABLE_GOOGLE_ACCESS", Source.RECORDING_2025),
    Answer("purpose", "PRIVATE", Source.RECORDING_2025),
    _SELF_LINK,
    Answer("stackType", "IPV4_ONLY", Source.RECORDING_2025),
    Answer("subnetworkId", lambda resource: int(_digits(resource)), Source.RECORDING_2025),
)

ROUTER = (
    _CREATED,
    _DELETION_POLICY,
    Answer("network", _network, Source.REFERENCE, LeftOut.SUPPRESSED, in_place=True),
    _SELF_LINK,
)

ROUTER_NAT = (
    _DELETION_POLICY,
    Answer("autoNetworkTier", "PREMIUM", Source.REFERENCE),
    Answer("enableDynamicPortAllocation", value=False, source=Source.REFERENCE),
    Answer("enableEndpointIndependentMapping", value=False, source=Source.REFERENCE),
    Answer("endpointTypes", ["ENDPOINT_TYPE_VM"], Source.REFERENCE),
    Answer("icmpIdleTimeoutSec", 30, Source.PROVIDER, LeftOut.DEFAULT),
    Answer("subnetworks", _subnetworks, Source.REFERENCE, LeftOut.SUPPRESSED, in_place=True),
    Answer("tcpEstablishedIdleTimeoutSec", 1200, Source.PROVIDER, LeftOut.DEFAULT),
    Answer("tcpTimeWaitTimeoutSec", 120, Source.PROVIDER, LeftOut.DEFAULT),
    Answer("tcpTransitoryIdleTimeoutSec", 30, Source.PROVIDER, LeftOut.DEFAULT),
    Answer("type", "PUBLIC", Source.REFERENCE, LeftOut.DEFAULT),
    Answer("udpIdleTimeoutSec", 30, Source.PROVIDER, LeftOut.DEFAULT),
)

ACCOUNT = (
    _DELETION_POLICY,
    Answer("email", _email, Source.REFERENCE),
    Answer("member", lambda resource: f"serviceAccount:{_email(resource)}", Source.PROVIDER),
    Answer(
        "name", lambda resource: f"projects/{project_of(resource)}/serviceAccounts/{_email(resource)}", Source.REFERENCE
    ),
    Answer("uniqueId", _digits, Source.REFERENCE),
)

# The provider compares members without case, except those whose case Google keeps.
MEMBER = (
    Answer("etag", lambda resource: short(resource.identity), Source.REFERENCE),
    Answer("member", _member, Source.PROVIDER, LeftOut.SUPPRESSED, in_place=True),
)

BUCKET_MEMBER = (
    Answer(
        "bucket", lambda resource: f"b/{resource.inputs['bucket']}", Source.PROVIDER, LeftOut.SUPPRESSED, in_place=True
    ),
    *MEMBER,
)

BUCKET = (
    _DELETION_POLICY,
    Answer("hierarchicalNamespace", {"enabled": False}, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer("projectNumber", 123456789012, Source.REFERENCE),
    Answer("publicAccessPrevention", "inherited", Source.REFERENCE),
    Answer("selfLink", lambda resource: f"{_STORAGE}/{resource.identity}", Source.REFERENCE),
    Answer("softDeletePolicy", {"retentionDurationSeconds": 604800}, Source.REFERENCE),
    Answer("softDeletePolicy.effectiveTime", _TIME, Source.REFERENCE),
    Answer("storageClass", "STANDARD", Source.REFERENCE, LeftOut.DEFAULT),
    Answer("timeCreated", _TIME, Source.REFERENCE),
    Answer("uniformBucketLevelAccess", value=False, source=Source.REFERENCE),
    Answer("updated", _TIME, Source.REFERENCE),
    Answer("url", lambda resource: f"gs://{resource.identity}", Source.PROVIDER),
    *labels_of("labels"),
)

BUCKET_OBJECT = (
    _DELETION_POLICY,
    Answer("contentType", "application/octet-stream", Source.REFERENCE),
    Answer("crc32c", "AAAAAA==", Source.REFERENCE),
    # The MD5 that Google computed; the provider compares it with that of the local file.
    Answer("detectMd5hash", _md5, Source.PROVIDER, LeftOut.SUPPRESSED),
    Answer("generation", lambda resource: int(_digits(resource)), Source.REFERENCE),
    Answer("md5hash", _md5, Source.REFERENCE),
    Answer("md5hexhash", _content_digest, Source.PROVIDER),
    Answer("mediaLink", lambda resource: f"{_object(resource)}?alt=media", Source.REFERENCE),
    Answer("outputName", lambda resource: resource.inputs["name"], Source.REFERENCE),
    Answer("selfLink", _object, Source.REFERENCE),
    Answer("storageClass", "STANDARD", Source.REFERENCE),
)
