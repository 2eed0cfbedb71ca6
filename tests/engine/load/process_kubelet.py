"""A node whose pods are processes, see tests.engine.process_pods."""

import contextlib
import json
import threading
from typing import Any, Self

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.engine.process_pods import ProcessPods, is_of_the_generator

NODE = "process-node"
_INTERVAL_S = 0.3


class ProcessKubelet:
    """A context manager: inside of it there is a node with the labels of the load pool."""

    def __init__(self, api: client.ApiClient, pods: ProcessPods) -> None:
        self._core = client.CoreV1Api(api)
        self.pods = pods
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_often)

    def __enter__(self) -> Self:
        self._join()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._core.delete_node(NODE)

    def _join(self) -> None:
        amounts = {"cpu": "4", "memory": "8Gi", "pods": "20", "ephemeral-storage": "10Gi"}
        labels = {"shapebench/pool": "load", "kubernetes.io/hostname": NODE}
        self._core.create_node({"metadata": {"name": NODE, "labels": labels}})
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            **self.pods.node_status,
        }
        self._core.patch_node_status(NODE, {"status": status})

    def _look_often(self) -> None:
        while not self._over.wait(_INTERVAL_S):
            # The API server is out of reach now and then, on purpose; pods go away while they are looked at.
            with contextlib.suppress(Exception):
                self._look()

    def _look(self) -> None:
        answer = self._core.list_pod_for_all_namespaces(field_selector=f"spec.nodeName={NODE}", _preload_content=False)
        for pod in json.loads(answer.data)["items"]:
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            if pod["metadata"].get("deletionTimestamp"):
                self.pods.stop(name)
                self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
                continue
            with contextlib.suppress(ApiException):
                self._core.patch_namespaced_pod_status(name, namespace, {"status": self._status(pod)})

    def _status(self, pod: dict[str, Any]) -> dict[str, Any]:
        if is_of_the_generator(pod):
            return self.pods.status(pod)
        status = {"imageID": "server@sha256:" + "3" * 64, **self.pods.server_status(pod)}
        statuses = [
            {"name": container["name"], "image": container["image"], **status}
            for container in pod["spec"]["containers"]
        ]
        is_ready = str(status["ready"])
        conditions = [{"type": kind, "status": is_ready} for kind in ("Initialized", "ContainersReady", "Ready")]
        return {"phase": "Running", "containerStatuses": statuses, "conditions": conditions}
