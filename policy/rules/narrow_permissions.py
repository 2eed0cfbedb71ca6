"""No grant makes anybody an administrator, or anything public."""

from collections.abc import Iterator

from policy.kinds import CLUSTER
from policy.resource import Resource, at, each_in

_BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
# The last one is every Google account, as GKE authenticates them all.
_EVERYBODY_IN_KUBERNETES = {"system:anonymous", "system:unauthenticated", "system:authenticated"}
_BINDINGS = {"ClusterRoleBinding", "RoleBinding"}
_ROLES = {"ClusterRole", "Role"}
_ALL = "*"


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == CLUSTER and resource.get("enableLegacyAbac") is True:
        yield (
            "it has enableLegacyAbac, so every account in the cluster may do everything, whatever RBAC says; set it to"
            " false"
        )
    elif resource.package == "gcp":
        yield from _on_google(resource)
    elif resource.package == "kubernetes" and resource.type_name in _BINDINGS:
        yield from _binding(resource)
    elif resource.package == "kubernetes" and resource.type_name in _ROLES:
        for rule in each_in(resource.get("rules")):
            if _ALL in each_in(at(rule, "verbs")) and _ALL in each_in(at(rule, "resources")):
                yield "it allows all verbs on all resources, so its holder is an administrator; list what is needed"


def _on_google(resource: Resource) -> Iterator[str]:
    role = resource.get("role")
    if isinstance(role, str) and role in _BASIC_ROLES:
        yield (
            f"it grants {role}, which reaches every service of the project; grant the predefined role of the one"
            " service that is needed"
        )
    # `entity` is the holder of an entry in an access control list of Cloud Storage.
    holders = [resource.get("member"), resource.get("entity"), *each_in(resource.get("members"))]
    for member in sorted({each for each in holders if isinstance(each, str) and each in _EVERYBODY}):
        yield (
            f"it grants {role if isinstance(role, str) else 'access'} to {member}, so anybody on the internet has it;"
            " name the account that needs it"
        )


def _binding(resource: Resource) -> Iterator[str]:
    if resource.get("roleRef.name") == "cluster-admin":
        yield (
            "it binds cluster-admin, so whoever takes over that account takes over the cluster; bind a Role that allows"
            " only what is needed"
        )
    for subject in each_in(resource.get("subjects")):
        name = at(subject, "name")
        if name in _EVERYBODY_IN_KUBERNETES:
            yield f"it binds {name}, so everybody who can reach the control plane has the role; bind another account"
