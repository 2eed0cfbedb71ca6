"""Configuration files of a node's programs. Unusual settings say why; paths are those inside the sandbox."""

import json
from typing import Any

from tests.support.node.sandbox import FOLDER, TOOLCHAIN

NODE = "node"
PODS, SERVICES = "10.244.0.0/16", "10.96.0.0/16"
DNS_DOMAIN = "cluster.local"
DNS_READY_PORT = 8181
METRICS_PORT = 10443
CONTAINERD = "/run/containerd/containerd.sock"
SANDBOX_IMAGE = "localhost/shapebench-pause:1"
_DEBIAN = TOOLCHAIN / "debian"


def environment(libraries: str) -> dict[str, str]:
    """Environment variables of every program inside; `libraries` is the library folder in the unpacked packages."""
    return {
        "PATH": f"{TOOLCHAIN}/bin:{_DEBIAN}/usr/sbin:{_DEBIAN}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_LIBRARY_PATH": f"{_DEBIAN}/{libraries}",
        "XTABLES_LIBDIR": f"{_DEBIAN}/{libraries}/xtables",
    }


def containerd() -> str:
    """containerd's configuration, as TOML."""
    return f"""version = 2
root = "{FOLDER}/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX_IMAGE}"
  # Nothing here may lower a process's OOM score, so otherwise no sandbox starts.
  restrict_oom_score_adj = true
  # The node ends at once, with all that is in it.
  disable_tcp_service = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_DEBIAN}/usr/lib/cni"
    conf_dir = "{FOLDER}/cni"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{_DEBIAN}/usr/sbin/runc"
"""


def pod_network() -> str:
    """A CNI network in which every pod has its own veth pair to the node.

    On a bridge, an answer from pod to pod would bypass the NAT rules that turned a service's address into a pod's.
    """
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return _as_json({"cniVersion": "0.3.1", "name": "pods", "plugins": [{"type": "ptp", "ipam": addresses}]})


def kubelet(address: str, group: str) -> str:
    """The KubeletConfiguration of the node with this address; its pods are below this control group."""
    return _as_json(
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "address": address,
            "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{group}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # The kubelet does not limit the machine's other processes.
            "enforceNodeAllocatable": [],
            "evictionHard": {},
            "imageGCHighThresholdPercent": 100,
            # The kubelet would look for the file system of its folders below the machine's root, which it cannot see.
            "localStorageCapacityIsolation": False,
            "podLogsDir": f"{FOLDER}/pods",
            "clusterDNS": [address],
            "clusterDomain": DNS_DOMAIN,
            "resolvConf": "",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{FOLDER}/kubelet-client.crt"},
            },
            "authorization": {"mode": "Webhook"},
        }
    )


def kube_proxy(address: str, kubeconfig: str) -> str:
    """The KubeProxyConfiguration."""
    return _as_json(
        {
            "kind": "KubeProxyConfiguration",
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "mode": "iptables",
            "hostnameOverride": NODE,
            "bindAddress": address,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "clientConnection": {"kubeconfig": kubeconfig},
            "clusterCIDR": PODS,
            # These limits would apply to the whole machine.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
    )


def corefile(address: str, kubeconfig: str) -> str:
    """CoreDNS's configuration: it resolves names of the cluster and no others."""
    return f""".:53 {{
    bind {address}
    errors
    ready {address}:{DNS_READY_PORT}
    kubernetes {DNS_DOMAIN} {{
        kubeconfig {kubeconfig} tests
        pods insecure
        ttl 5
    }}
}}
"""


def metrics_api(address: str) -> dict[str, dict[str, Any]]:
    """By the path of its kind, what has the API server ask the metrics server at this address for `metrics.k8s.io`."""
    name, group, version = "metrics-server", "metrics.k8s.io", "v1beta1"
    of_service = {"kubernetes.io/service-name": name}
    return {
        "/api/v1/namespaces/kube-system/services": {
            "metadata": {"name": name},
            "spec": {"ports": [{"name": "https", "port": 443, "targetPort": METRICS_PORT}]},
        },
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices": {
            "metadata": {"name": name, "labels": of_service},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": METRICS_PORT, "protocol": "TCP"}],
        },
        "/apis/apiregistration.k8s.io/v1/apiservices": {
            "metadata": {"name": f"{version}.{group}"},
            "spec": {
                "group": group,
                "version": version,
                "service": {"name": name, "namespace": "kube-system"},
                # Its certificate is its own.
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    }


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2)
