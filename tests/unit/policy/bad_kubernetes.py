"""Resources of Kubernetes that no stack may have, from public rule lists.

PSS: https://kubernetes.io/docs/concepts/security/pod-security-standards, levels baseline and restricted.
CKV_K8S_…: bridgecrewio/checkov, checkov/kubernetes/checks/resource/k8s. CIS 5.…: CIS Kubernetes Benchmark, policies.
`…Patch` and `…List` are kinds of the Pulumi provider. A patch changes an object that exists already:
https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
"""

from collections.abc import Mapping
from typing import Any

from tests.unit.policy.changed import Bad, bad, changed, declared

_GATEWAY = "https://gateway-api.sigs.k8s.io/concepts/security/"
_LABELS = {"app": "server"}
# What is needed beside the template in each kind that makes pods.
_SELECTED = {"selector": {"matchLabels": _LABELS}}
_BESIDE: dict[str, dict[str, Any]] = {
    "apps/v1:Deployment": _SELECTED,
    "apps/v1:StatefulSet": _SELECTED | {"serviceName": "s"},
    "apps/v1:DaemonSet": _SELECTED,
    "apps/v1:ReplicaSet": _SELECTED,
    "core/v1:ReplicationController": {"selector": _LABELS},
    "batch/v1:Job": {"backoffLimit": 0},
}


def pods_of(kind: str, pod: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a kind that makes pods, by its name without Patch or List."""
    metadata = {"name": "bad", "namespace": "shapebench"}
    template = {"metadata": {"labels": _LABELS}, "spec": pod}
    match kind:
        case "core/v1:Pod":
            return {"metadata": metadata, "spec": pod}
        case "core/v1:PodTemplate":
            return {"metadata": metadata, "template": template}
        case "batch/v1:CronJob":
            job = {"spec": {"template": template}}
            return {"metadata": metadata, "spec": {"schedule": "@hourly", "jobTemplate": job}}
    return {"metadata": metadata, "spec": _BESIDE[kind] | {"template": template}}


def good_pod() -> dict[str, Any]:
    """The specification of the server's pods."""
    spec: dict[str, Any] = declared("serving-deployment")[1]["spec"]["template"]["spec"]
    return spec


def _object(kind: str, inputs: dict[str, Any], why: str, source: str, path: str) -> Bad:
    """An object of a kind; of its List, one item."""
    token = f"kubernetes:{kind}"
    if kind.endswith("List"):
        return Bad(token, {"items": [inputs]}, why, source, f"items.0.{path}" if path else "")
    return Bad(token, inputs, why, source, path)


def _pods(kind: str, changes: Mapping[str, Any], why: str, source: str) -> Bad:
    """A kind that makes pods, with the server's pods changed."""
    base = kind.removesuffix("Patch").removesuffix("List")
    path = {"core/v1:Pod": "spec", "core/v1:PodTemplate": "template.spec"}.get(base, "spec.template.spec")
    path = "spec.jobTemplate." + path if base == "batch/v1:CronJob" else path
    return _object(kind, pods_of(base, changed(good_pod(), changes)), why, source, f"{path}.{next(iter(changes))}")


_SECURITY = "containers.0.securityContext"
_ESCAPE = "the container controls the node"

PODS = (
    _pods("apps/v1:Deployment", {f"{_SECURITY}.privileged": True}, _ESCAPE, "PSS baseline, CKV_K8S_16"),
    _pods("apps/v1:DeploymentPatch", {f"{_SECURITY}.privileged": True}, _ESCAPE, "PSS baseline, CKV_K8S_16"),
    _pods("apps/v1:DeploymentList", {f"{_SECURITY}.privileged": True}, _ESCAPE, "PSS baseline, CKV_K8S_16"),
    _pods("apps/v1:StatefulSet", {"hostNetwork": True}, "shares the node's network", "PSS baseline, CKV_K8S_19"),
    _pods("apps/v1:StatefulSetPatch", {"hostNetwork": True}, "shares the node's network", "PSS baseline, CKV_K8S_19"),
    _pods("apps/v1:DaemonSet", {"hostPID": True}, "sees the node's processes", "PSS baseline, CKV_K8S_17"),
    _pods("apps/v1:DaemonSetPatch", {"hostIPC": True}, "shares the node's memory", "PSS baseline, CKV_K8S_18"),
    _pods("apps/v1:DaemonSetList", {"volumes.0": {"name": "root", "hostPath": {"path": "/"}}},
          "reads the node's files", "PSS baseline"),
    _pods("apps/v1:ReplicaSet", {"volumes.1": {"name": "tmp", "hostPath": {"path": "/var/run/docker.sock"}}},
          "controls the node's containers", "PSS baseline, CKV_K8S_27"),
    _pods("apps/v1:ReplicaSetPatch", {f"{_SECURITY}.capabilities.add": ["SYS_ADMIN"]}, _ESCAPE, "CKV_K8S_25"),
    _pods("core/v1:ReplicationController", {"containers.0.ports.0.hostPort": 8501}, "listens on the node",
          "PSS baseline, CKV_K8S_26"),
    _pods("batch/v1:JobPatch", {"containers.0.ports.0.hostPort": 80}, "listens on the node", "PSS baseline"),
    _pods("batch/v1:CronJob", {f"{_SECURITY}.runAsUser": 0}, "runs as root", "PSS restricted, CKV_K8S_40"),
    _pods("batch/v1:CronJobPatch", {"securityContext.runAsNonRoot": False}, "may run as root",
          "PSS restricted, CKV_K8S_23"),
    _pods("core/v1:Pod", {f"{_SECURITY}.procMount": "Unmasked"}, "sees the whole of /proc", "PSS baseline"),
    _pods("core/v1:PodPatch", {"securityContext.sysctls": [{"name": "kernel.msgmax", "value": "65536"}]},
          "changes the node's kernel", "PSS baseline"),
    _pods("core/v1:PodList", {"securityContext.seccompProfile.type": "Unconfined"}, "every system call",
          "PSS baseline, CKV_K8S_31"),
    _pods("core/v1:PodTemplate", {f"{_SECURITY}.privileged": True}, _ESCAPE, "PSS baseline"),
    _pods("core/v1:PodTemplatePatch", {"hostPID": True}, "sees the node's processes", "PSS baseline"),
    _pods("apps/v1:Deployment", {f"{_SECURITY}.allowPrivilegeEscalation": True}, "a process gets more rights",
          "PSS restricted, CKV_K8S_20"),
    _pods("apps/v1:Deployment", {f"{_SECURITY}.capabilities": None}, "keeps the runtime's capabilities",
          "PSS restricted, CKV_K8S_37"),
    _pods("apps/v1:Deployment", {"volumes.0": {"name": "config", "nfs": {"server": "10.0.0.9", "path": "/"}}},
          "a kind of volume that the restricted level refuses", "PSS restricted"),
    _pods("apps/v1:Deployment", {"securityContext.windowsOptions": {"hostProcess": True}}, _ESCAPE, "PSS baseline"),
    _pods("apps/v1:Deployment", {"securityContext.appArmorProfile": {"type": "Unconfined"}}, "AppArmor is off",
          "PSS baseline"),
    _pods("apps/v1:Deployment", {"containers.0.livenessProbe": {"tcpSocket": {"host": "169.254.169.254", "port": 80}}},
          "the kubelet asks other hosts", "PSS baseline, host probes"),
    _pods("apps/v1:DeploymentPatch", {"containers.0.image": "tensorflow/serving:latest"}, "an unknown version",
          "CKV_K8S_14"),
    _pods("batch/v1:JobList", {"containers.0.resources": None}, "takes the memory of a measured node",
          "CKV_K8S_10, CKV_K8S_13"),
    _pods("apps/v1:StatefulSet", {"automountServiceAccountToken": True, "serviceAccountName": "default"},
          "holds the default account's token", "CKV_K8S_38, CIS 5.1.5"),
)  # fmt: skip

_OUTSIDE = "the server listens outside of the cluster"
_CUSTOM = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "bad"}}
_PRIVILEGED = {"containers": [{"name": "c", "image": "a:1", "securityContext": {"privileged": True}}]}
_CLUSTER_ADMIN = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", "name": "tf-serving", "namespace": "shapebench"}],
}
_RBAC = "rbac.authorization.k8s.io/v1"

OBJECTS = (
    bad("serving-rest", {"spec.type": "NodePort"}, _OUTSIDE, "https://kubernetes.io/docs/concepts/services-networking/"),
    _object("core/v1:ServicePatch", changed(declared("serving-rest")[1], {"spec.type": "LoadBalancer"}), _OUTSIDE,
            "https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer", "spec.type"),
    _object("core/v1:ServiceList", changed(declared("serving-rest")[1], {"spec.externalIPs": ["203.0.113.7"]}),
            _OUTSIDE, "CVE-2020-8554", "spec.externalIPs"),
    _object("networking.k8s.io/v1:IngressPatch", {"spec": {"defaultBackend": {"service": {"name": "tf-serving"}}}},
            _OUTSIDE, "https://kubernetes.io/docs/concepts/services-networking/ingress/", ""),
    _object("gateway.networking.k8s.io/v1:Gateway", {"spec": {"gatewayClassName": "gke-l7-global-external-managed"}},
            _OUTSIDE, _GATEWAY, ""),
    _object("core/v1:NamespacePatch", changed(declared("serving-namespace")[1], {
            "metadata.labels": {"shapebench-stack": "s", "pod-security.kubernetes.io/enforce": "privileged"}}),
            "privileged pods are admitted", "PSS, CIS 5.2.1", "metadata.labels"),
    bad("serving-server", {"spec.ingress": [{}]}, "every pod reaches the server", "CIS 5.3.2, "
        "https://kubernetes.io/docs/concepts/services-networking/network-policies/#allow-all-ingress-traffic"),
    _object(f"{_RBAC}:ClusterRoleBinding", _CLUSTER_ADMIN, "an administrator", "CIS 5.1.1", "roleRef.name"),
    _object(f"{_RBAC}:ClusterRoleBindingPatch", _CLUSTER_ADMIN, "an administrator", "CIS 5.1.1", "roleRef.name"),
    _object(f"{_RBAC}:RoleBindingList", {"roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "Group", "name": "system:unauthenticated"}]}, "everybody has the role", "CIS 5.1.1",
            "subjects.0.name"),
    _object(f"{_RBAC}:ClusterRolePatch", {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
            "an administrator", "CKV_K8S_49, CIS 5.1.3", "rules.0.verbs.0"),
    _object(f"{_RBAC}:ClusterRole", {"rules": [{"apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"], "verbs": ["escalate"]}]}, "gives itself any right", "CKV_K8S_158, CIS 5.1.8",
            "rules.0.verbs.0"),
    _object("autoscaling/v2:HorizontalPodAutoscalerPatch", {"spec": {"maxReplicas": 8}}, "changes what is measured",
            "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/", ""),
    _object("helm.sh/v3:Release", {"chart": "nginx", "name": "unseen"}, "objects that no rule sees",
            "https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v3/release/", ""),
    _object("serving.knative.dev/v1:Service", _CUSTOM | {"spec": {"template": {"spec": _PRIVILEGED}}}, _ESCAPE,
            "PSS baseline, https://knative.dev/docs/serving/services/", ""),
    _object("yaml/v2:ConfigGroup", {"objs": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": _PRIVILEGED}]}, _ESCAPE, "PSS baseline", ""),
    _object("yaml/v2:ConfigFile", {"file": "https://example.com/latest/all.yaml"}, "objects of anybody's choice",
            "https://www.pulumi.com/registry/packages/kubernetes/api-docs/yaml/v2/configfile/", ""),
    _object("core/v1:PersistentVolume", {"spec": {"hostPath": {"path": "/"}, "capacity": {"storage": "1Gi"}}},
            "the node's files, around the restricted level", "https://kubernetes.io/docs/concepts/storage/volumes/",
            "spec.hostPath"),
)  # fmt: skip

BAD_KUBERNETES = PODS + OBJECTS
