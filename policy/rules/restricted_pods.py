"""Pods keep the restricted level of the Pod Security Standards, and their namespace enforces it."""

# The controls: https://kubernetes.io/docs/concepts/security/pod-security-standards, as of Kubernetes 1.34.

from collections.abc import Iterator, Mapping

from policy.pods import container_name, every_container, pod_specs
from policy.requirement import Requirement
from policy.resource import UNKNOWN, Resource, at, entries, members_of

_ENFORCE = "pod-security.kubernetes.io/enforce"
_RESTRICTED = "restricted"
_OUT = "so whoever takes over the container takes over the node and all that runs there"
_OFF = (None, False)
_CONFINED = ("RuntimeDefault", "Localhost")
_SELINUX = "so the node's own protection from its containers is changed"

_POD = tuple(
    Requirement(name, _OFF, f"which shares the node's {name.removeprefix('host').lower()}, {_OUT}")
    for name in ("hostNetwork", "hostPID", "hostIPC")
)
# Of the security context of a pod, and of a container.
_CONTEXT = (
    Requirement("windowsOptions.hostProcess", _OFF, _OUT),
    Requirement("appArmorProfile.type", (*_CONFINED, None), _SELINUX),
    Requirement(
        "seLinuxOptions.type",
        ("container_t", "container_init_t", "container_kvm_t", "container_engine_t", None, ""),
        _SELINUX,
    ),
    Requirement("seLinuxOptions.user", (None, ""), _SELINUX),
    Requirement("seLinuxOptions.role", (None, ""), _SELINUX),
)
_CONTAINER = (
    Requirement("privileged", _OFF, _OUT),
    Requirement("allowPrivilegeEscalation", (False,), "so a process may get more rights than it was started with"),
    Requirement("procMount", (None, "", "Default"), "so the container sees the node's processes"),
)
# A container has that of its pod where it has none of its own.
_INHERITED = (
    Requirement("runAsNonRoot", (True,), "so the container may run as root"),
    Requirement("seccompProfile.type", _CONFINED, "so the container may use every system call"),
)
_PORT = Requirement("hostPort", (None, 0), "so the container listens on an address of its node")
_HOST = Requirement("host", (None, ""), "which makes the node connect to any address that the pod names")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
# The only one that a container may add.
_HARMLESS_CAPABILITY = "NET_BIND_SERVICE"
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}  # fmt: skip


def check(resource: Resource) -> Iterator[str]:
    if resource.kind == "kubernetes:core/v1:Namespace":
        yield from _namespace(resource)
    specs = pod_specs(resource)
    for spec in specs:
        yield from _pod(spec)
    # Such as a PersistentVolume. Those of a pod are in its specification.
    if resource.package == "kubernetes" and not specs and any(key == "hostPath" for key, _ in entries(resource.inputs)):
        yield "it is a hostPath, which gives pods the node's own files; use an emptyDir, a ConfigMap or a bucket"


def _namespace(resource: Resource) -> Iterator[str]:
    # A key that holds dots and a slash is no path.
    labels = resource.get("metadata.labels")
    level = labels.get(_ENFORCE) if isinstance(labels, Mapping) else labels
    if level != _RESTRICTED:
        yield (
            f"its {_ENFORCE} is {level or 'not set'}, so the API server admits any pod there, privileged ones too; set"
            f" the label to {_RESTRICTED}"
        )


def _pod(spec: object) -> Iterator[str]:
    if spec is UNKNOWN:
        yield "its pods are not known yet, so no rule can check them; declare them with values that the program knows"
        return
    context = at(spec, "securityContext")
    for requirement in _POD:
        yield from requirement.problems(spec)
    for requirement in _CONTEXT:
        yield from requirement.problems(context, name=f"securityContext.{requirement.path}")
    for sysctl in members_of(at(context, "sysctls")):
        if at(sysctl, "name") not in _SYSCTLS:
            yield f"it sets the sysctl {at(sysctl, 'name')}, which changes the node's kernel; remove it"
    for volume in members_of(at(spec, "volumes")):
        yield from _volume(volume)
    for container in every_container(spec):
        if container is UNKNOWN:
            yield "a container is not known yet, so no rule can check it; give it values that the program knows"
        else:
            yield from _container(container, context)


def _volume(volume: object) -> Iterator[str]:
    kinds = sorted(volume.keys() - _VOLUMES - {"name"}) if isinstance(volume, Mapping) else [str(volume)]
    if kinds:
        yield (
            f"volume {at(volume, 'name')} is a {kinds[0]}, which gives pods the node's own files or a disk that no rule"
            " checks; use an emptyDir, a ConfigMap or a bucket"
        )


def _container(container: object, of_pod: object) -> Iterator[str]:
    whose, context = f"{container_name(container)}: its", at(container, "securityContext")
    for requirement in (*_CONTEXT, *_CONTAINER):
        yield from requirement.problems(context, whose, f"securityContext.{requirement.path}")
    for requirement in _INHERITED:
        own = context if at(context, requirement.path) is not None else of_pod
        yield from requirement.problems(own, whose, f"securityContext.{requirement.path}")
    if any(at(each, "runAsUser") == 0 or at(each, "runAsUser") is UNKNOWN for each in (context, of_pod)):
        yield f"{whose} securityContext.runAsUser is 0, which is root; set it to a user of its own, such as 65532"
    yield from _capabilities(whose, at(context, "capabilities"))
    for port in members_of(at(container, "ports")):
        yield from _PORT.problems(port, whose)
    for probe in _PROBES:
        checks = at(container, probe)
        for host in [checks] if checks is UNKNOWN else [value for key, value in entries(checks) if key == "host"]:
            yield from _HOST.problems({"host": host}, whose, f"{probe} host")


def _capabilities(whose: str, capabilities: object) -> Iterator[str]:
    added = [str(member) for member in members_of(at(capabilities, "add")) if member != _HARMLESS_CAPABILITY]
    if added:
        yield f"{whose} securityContext.capabilities adds {', '.join(added)}, {_OUT}; remove capabilities.add"
    if "ALL" not in members_of(at(capabilities, "drop")):
        yield (
            f"{whose} securityContext.capabilities.drop is not ALL, so the container keeps rights that the server does"
            " not need; set it to [ALL]"
        )
