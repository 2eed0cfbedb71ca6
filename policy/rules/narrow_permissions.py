"""No grant makes anybody an administrator, or anything public."""

import json
import re
from collections.abc import Iterator

from policy.kinds import BUCKET
from policy.requirement import Requirement
from policy.resource import UNKNOWN, Resource, at, each_in, entries

# What the stacks grant, and what Google lists as the least of a node: https://cloud.google.com/kubernetes-engine/docs/
# how-to/hardening-your-cluster#use_least_privilege_sa. No other role is known to be narrow.
_NARROW_ROLES = {
    "roles/artifactregistry.reader",
    "roles/container.defaultNodeServiceAccount",
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
    "roles/monitoring.viewer",
    "roles/stackdriver.resourceMetadata.writer",
    "roles/storage.objectCreator",
    "roles/storage.objectUser",
    "roles/storage.objectViewer",
}
_IAM_ROLE = re.compile(r"(?:(?:projects|organizations)/[^/]+/)?roles/")
_EVERYBODY = re.compile(r"\b(allUsers|allAuthenticatedUsers|goog/public:all)\b")
# The words of https://cloud.google.com/storage/docs/access-control/lists#predefined-acl that mean everybody.
_PUBLIC_ACL = re.compile(r"public.*|authenticatedRead")
_TEXTS = {"description", "displayName"}
_BUCKET = (
    Requirement("publicAccessPrevention", ("enforced",), "so a later grant can make the model public"),
    Requirement("uniformBucketLevelAccess", (True,), "so a single object can be made public, whatever IAM says"),
)

# The last one is every Google account, as GKE authenticates them all.
_EVERYBODY_IN_KUBERNETES = {"system:anonymous", "system:unauthenticated", "system:authenticated"}
_ADMINISTRATORS = {"cluster-admin", "system:masters"}
_BINDINGS = {"ClusterRoleBinding", "RoleBinding"}
_ROLES = {"ClusterRole", "Role"}
_ALL = "*"
# https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks
_ESCALATING = {"escalate", "bind", "impersonate"}


def check(resource: Resource) -> Iterator[str]:
    if resource.package == "gcp":
        yield from _on_google(resource)
    elif resource.package == "kubernetes" and resource.type_name in _BINDINGS:
        yield from _binding(resource)
    elif resource.package == "kubernetes" and resource.type_name in _ROLES:
        for rule in each_in(resource.get("rules")):
            yield from _role(rule)


def _on_google(resource: Resource) -> Iterator[str]:
    if resource.kind == BUCKET:
        for requirement in _BUCKET:
            yield from requirement.problems(resource.inputs)
    inputs = [*entries(resource.inputs)]
    # A whole policy is JSON in one input.
    inputs += [entry for key, value in inputs if key == "policyData" for entry in entries(_parsed(value))]
    for role in dict.fromkeys(str(value) for key, value in inputs if key == "role" and _is_wide(value)):
        yield (
            f"it grants {role}, which no rule knows to be narrow; grant the predefined role of the one service that is"
            " needed, and if it is not in policy/rules/narrow_permissions.py, add it there"
        )
    holders = {match[0] for key, value in inputs if key not in _TEXTS for match in _holders(value)}
    for holder in sorted(holders):
        yield f"it grants access to {holder}, so anybody on the internet has it; name the account that needs it"
    for key, value in inputs:
        if key.lower().endswith("acl") and isinstance(value, str) and _PUBLIC_ACL.fullmatch(value):
            yield f"its {key} is {value}, so anybody on the internet has access; remove it and name accounts"


def _holders(value: object) -> Iterator[re.Match[str]]:
    return _EVERYBODY.finditer(value) if isinstance(value, str) else iter(())


def _is_wide(role: object) -> bool:
    """Whether it is a role of IAM that is not known to be narrow. READER and the like are of access control lists."""
    return role is UNKNOWN or (isinstance(role, str) and bool(_IAM_ROLE.match(role)) and role not in _NARROW_ROLES)


def _parsed(policy: object) -> object:
    try:
        return json.loads(str(policy))
    except ValueError:
        return None


def _binding(resource: Resource) -> Iterator[str]:
    if resource.get("roleRef.name") in _ADMINISTRATORS:
        yield (
            "it binds cluster-admin, so whoever takes over that account takes over the cluster; bind a Role that allows"
            " only what is needed"
        )
    for subject in each_in(resource.get("subjects")):
        name = at(subject, "name")
        if name in _EVERYBODY_IN_KUBERNETES:
            yield f"it binds {name}, so everybody who can reach the control plane has the role; bind another account"
        elif name in _ADMINISTRATORS:
            yield f"it binds {name}, which is every administrator of the cluster; bind another account"


def _role(rule: object) -> Iterator[str]:
    verbs = each_in(at(rule, "verbs"))
    if _ALL in verbs and _ALL in each_in(at(rule, "resources")):
        yield "it allows all verbs on all resources, so its holder is an administrator; list what is needed"
    for verb in sorted(each for each in verbs if isinstance(each, str) and each in _ESCALATING):
        yield f"it allows the verb {verb}, so its holder can become an administrator; remove it"
