"""The control plane authenticates by IAM, and nodes start only what Google signed."""

# https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster and the CIS GKE Benchmark.

from collections.abc import Iterator

from policy.kinds import CLUSTER, NODE_POOL
from policy.requirement import Requirement
from policy.resource import Resource, members_of

_OFF = (None, False)
_BASIC = "so a password opens the control plane, which is sent with each request and passes by IAM"
_READABLE = "so everybody in the network reads what runs on the nodes, without a login"
_SHIELD = "nodeConfig.shieldedInstanceConfig"

_CLUSTER = (
    Requirement(
        "masterAuth.clientCertificateConfig.issueClientCertificate",
        _OFF,
        "so a certificate opens the control plane that nobody can revoke",
    ),
    Requirement("masterAuth.username", (None, ""), _BASIC),
    Requirement("masterAuth.password", (None, ""), _BASIC),
    Requirement("enableLegacyAbac", _OFF, "so every account in the cluster may do everything, whatever RBAC says"),
    Requirement("enableShieldedNodes", (None, True), "so a machine can pretend to be a node"),
    Requirement("enableKubernetesAlpha", _OFF, "so GKE deletes the cluster after 30 days and never repairs it"),
    Requirement("nodePoolDefaults.nodeConfigDefaults.insecureKubeletReadonlyPortEnabled", (None, "FALSE"), _READABLE),
    Requirement(
        "loggingService", (None, "logging.googleapis.com/kubernetes"), "so nobody can tell what happened in it"
    ),
)
# Of pools, and of the default pool, which has a node until it is deleted.
_NODES = (
    Requirement(f"{_SHIELD}.enableSecureBoot", (True,), "so nodes start unsigned kernels and modules"),
    Requirement(f"{_SHIELD}.enableIntegrityMonitoring", (None, True), "so a changed start of a node stays unseen"),
    Requirement("nodeConfig.kubeletConfig.insecureKubeletReadonlyPortEnabled", (None, "FALSE"), _READABLE),
    Requirement(
        "nodeConfig.metadata.disable-legacy-endpoints",
        (None, "true"),
        "so any request that a pod is made to send reads the node's credentials",
    ),
)


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER:
        for requirement in _CLUSTER:
            yield from requirement.problems(resource.inputs)
        yield from _logging(resource)
    if resource.kind in (CLUSTER, NODE_POOL):
        for requirement in _NODES:
            yield from requirement.problems(resource.inputs)


def _logging(resource: Resource) -> Iterator[str]:
    components = resource.get("loggingConfig.enableComponents")
    if components is not None and "SYSTEM_COMPONENTS" not in members_of(components):
        yield (
            "its loggingConfig.enableComponents has no SYSTEM_COMPONENTS, so nobody can tell what happened in it; add"
            " SYSTEM_COMPONENTS"
        )
