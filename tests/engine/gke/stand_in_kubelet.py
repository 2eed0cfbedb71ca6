"""Plays the nodes: joins those of the stand-in's node pools to the API server, and marks the pods bound to them ready.

The load generator's pods run as processes, see tests.engine.process_pods, and so do the init containers of all other
pods, see tests.engine.gke.init_containers; nothing else runs. Scheduling, admission,
Deployments, Jobs, endpoints and namespaces are the work of Kubernetes' own programs.
"""

import hashlib
import json
import threading
from datetime import UTC, datetime
from typing import Any

from kubernetes import client

from stacks.machines.machine_series import machine_resources
from stacks.names import STACK
from tests.engine.gcp_stand_in.memory import Memory
from tests.engine.gke.init_containers import InitContainers, init_containers
from tests.engine.process_pods import ProcessPods, is_of_the_generator
from tests.support.published_nodes import DAEMONS, node_of

_NAME = "stand-in kubelet"
_RUNS_ON = "shapebench-tests/runs-on"
_INTERVAL_S = 0.3
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}


class StandInKubelet:
    """A thread that brings the API server in line with the stand-in's node pools, until it is stopped."""

    def __init__(self, api: client.ApiClient, memory: Memory, pods: ProcessPods) -> None:
        self._core = client.CoreV1Api(api)
        self._memory = memory
        self._pods = pods
        self._init: dict[str, InitContainers] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for init in self._init.values():
            init.stop()

    def _run(self) -> None:
        while not self._over.wait(_INTERVAL_S):
            try:
                self._join_and_leave()
                self._run_pods()
                self._lose_what_was_in_lost_clusters()
            # The API server is out of reach now and then, on purpose; pods go away while they are looked at.
            except Exception as error:  # noqa: BLE001 (whatever it is, the test that waits for it will tell)
                self._memory.log("kubelet", error=str(error)[:500])

    def _join_and_leave(self) -> None:
        wanted = self._wanted_nodes()
        there = {
            node.metadata.name
            for node in self._core.list_node().items
            if (node.metadata.annotations or {}).get(_RUNS_ON) == _NAME
        }
        for name in wanted.keys() - there:
            self._core.create_node(wanted[name])
            self._core.patch_node_status(name, {"status": wanted[name]["status"] | self._pods.node_status})
        for name in there - wanted.keys():
            self._core.delete_node(name)

    def _wanted_nodes(self) -> dict[str, Any]:
        pools = self._made("gcp:container/nodePool:NodePool")
        return {
            node["metadata"]["name"]: node
            for pool in pools
            for index in range(pool["inputs"].get("nodeCount") or pool["inputs"].get("initialNodeCount") or 0)
            for node in [_node(pool["id"], pool["inputs"], index)]
        }

    def _made(self, kind: str) -> list[Any]:
        with self._memory.resources() as resources:
            return [resource for resource in resources.values() if resource["type"] == kind]

    def _run_pods(self) -> None:
        answer = self._core.list_pod_for_all_namespaces(field_selector="spec.nodeName!=", _preload_content=False)
        for pod in json.loads(answer.data)["items"]:
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            if "deletionTimestamp" in pod["metadata"]:
                self._pods.stop(name)
                if name in self._init:
                    self._init.pop(name).stop()
                self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
            elif is_of_the_generator(pod):
                self._core.patch_namespaced_pod_status(name, namespace, {"status": self._pods.status(pod)})
            elif pod["status"]["phase"] == "Pending":
                status = self._initializing(pod) or _running(pod)
                self._core.patch_namespaced_pod_status(name, namespace, {"status": status})

    def _initializing(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        """The status of a pod while its init containers run; None once all are done."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if name not in self._init:
            volumes = [
                volume["configMap"]["name"] for volume in pod["spec"].get("volumes", []) if "configMap" in volume
            ]
            maps = {volume: self._core.read_namespaced_config_map(volume, namespace).data for volume in volumes}
            self._init[name] = init_containers(pod, self._memory.folder / "pods" / name, maps, self._pods.names)
        init = self._init[name]
        return None if init.look() else init.status(pod)

    def _lose_what_was_in_lost_clusters(self) -> None:
        """All clusters share one API server; with the last of a stack's, the stack's namespaces are gone."""
        labels = [
            cluster["inputs"].get("resourceLabels") or {} for cluster in self._made("gcp:container/cluster:Cluster")
        ]
        alive = {label.get(STACK) for label in labels}
        for namespace in self._core.list_namespace(label_selector=STACK).items:
            metadata = namespace.metadata
            if metadata.labels[STACK] not in alive and metadata.deletion_timestamp is None:
                self._core.delete_namespace(metadata.name)


def _node(pool_id: str, inputs: dict[str, Any], index: int) -> dict[str, Any]:
    config = inputs.get("nodeConfig") or {}
    pool = pool_id.rpartition("/")[2]
    name = f"gke-{pool}-{hashlib.sha256(pool_id.encode()).hexdigest()[:8]}-{index}"
    vcpus, memory_gb = machine_resources(config["machineType"])
    published = node_of(vcpus, memory_gb)
    others = {"ephemeral-storage": "10Gi", "pods": "110"}
    capacity = {"cpu": str(vcpus), "memory": f"{published.capacity_kib}Ki", **others}
    # What GKE's own daemons request is taken off, as their pods are not here.
    room = {
        "cpu": f"{published.allocatable_millis - sum(daemon.millis for daemon in DAEMONS.values())}m",
        "memory": f"{published.allocatable_kib - 1024 * sum(daemon.memory_mib for daemon in DAEMONS.values())}Ki",
        **others,
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "cloud.google.com/gke-nodepool": pool,
        **(config.get("labels") or {}),
    }
    taints = [{**taint, "effect": _EFFECTS[taint["effect"]]} for taint in config.get("taints") or []]
    return {
        "metadata": {"name": name, "labels": labels, "annotations": {_RUNS_ON: _NAME}},
        "spec": {"taints": taints},
        "status": {
            "capacity": capacity,
            "allocatable": room,
            "conditions": [_condition("Ready", "KubeletReady")],
            "nodeInfo": _NODE_INFO,
        },
    }


_NODE_INFO = dict.fromkeys(
    ["machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeProxyVersion"],
    _NAME,
) | {"kubeletVersion": "v1.34.4", "operatingSystem": "linux", "architecture": "amd64"}


def _running(pod: dict[str, Any]) -> dict[str, Any]:
    now = _now()
    address = int(hashlib.sha256(pod["metadata"]["uid"].encode()).hexdigest()[:4], 16)
    ip = f"10.20.{address >> 8}.{address & 255}"
    return {
        "phase": "Running",
        "startTime": now,
        "hostIP": "127.0.0.1",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [_condition(kind) for kind in ("Initialized", "ContainersReady", "Ready", "PodScheduled")],
        "containerStatuses": [
            _container(container, {"running": {"startedAt": now}}, ready=True)
            for container in pod["spec"]["containers"]
        ],
        "initContainerStatuses": [
            _container(container, {"terminated": {"exitCode": 0, "reason": "Completed"}}, ready=True)
            for container in pod["spec"].get("initContainers") or []
        ],
    }


def _container(container: dict[str, Any], state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    image = container["image"]
    return {
        "name": container["name"],
        "image": image,
        "imageID": f"{image.partition(':')[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
    }


def _condition(kind: str, reason: str = "StandIn") -> dict[str, Any]:
    now = _now()
    return {
        "type": kind, "status": "True", "reason": reason, "message": _NAME, "lastTransitionTime": now,
        **({"lastHeartbeatTime": now} if kind == "Ready" and reason == "KubeletReady" else {}),
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
