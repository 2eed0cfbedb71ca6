"""A node whose pods are processes: real logs and real commands, asked for through a real API server.

It speaks the kubelet's own interface to the API server (status, containerLogs, exec by WebSocket). A pod of the load
generator runs, see tests.pod_processes; any other is said to be ready.
"""

import asyncio
import base64
import contextlib
import json
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from provider.load_job import GENERATOR
from tests.pod_processes import PodProcesses

NODE = "process-node"
_INTERVAL_S = 0.3
_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"


class ProcessKubelet:
    """A context manager: inside of it there is a node with the labels of the load pool."""

    def __init__(self, api: client.ApiClient, folder: Path) -> None:
        self._core = client.CoreV1Api(api)
        self._api = api
        self._folder = folder
        self.pods: dict[str, PodProcesses] = {}
        self.names: dict[str, str] = {}
        self._over = threading.Event()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._threads = [threading.Thread(target=self._serve), threading.Thread(target=self._look_often)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        assert self._listening.wait(30)
        self._join()
        self._threads[1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads[1].join()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._threads[0].join()
        for processes in self.pods.values():
            processes.stop()

    @property
    def generator(self) -> PodProcesses:
        """The pod that was started last."""
        return list(self.pods.values())[-1]

    def _join(self) -> None:
        amounts = {"cpu": "4", "memory": "8Gi", "pods": "20", "ephemeral-storage": "10Gi"}
        labels = {"shapebench/pool": "load", "kubernetes.io/hostname": NODE}
        self._core.create_node({"metadata": {"name": NODE, "labels": labels}})
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
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
                if name in self.pods:
                    self.pods[name].stop()
                self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
                continue
            with contextlib.suppress(ApiException):
                self._core.patch_namespaced_pod_status(name, namespace, {"status": self._status(pod)})

    def _status(self, pod: dict[str, Any]) -> dict[str, Any]:
        name, containers = pod["metadata"]["name"], pod["spec"]["containers"]
        if containers[0]["name"] != GENERATOR:
            ready = {"ready": True, "restartCount": 0, "state": {"running": {}}, "imageID": "server@sha256:" + "3" * 64}
            statuses = [{"name": each["name"], "image": each["image"], **ready} for each in containers]
            conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
            return {"phase": "Running", "containerStatuses": statuses, "conditions": conditions}
        if name not in self.pods:
            folder = self._folder / name
            folder.mkdir()
            self.pods[name] = PodProcesses(pod["spec"], folder, self._config_maps(pod), self.names)
            self.pods[name].start()
        return self.pods[name].status()

    def _config_maps(self, pod: dict[str, Any]) -> dict[str, dict[str, bytes]]:
        names = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
        maps = {}
        for name in names:
            there = self._core.read_namespaced_config_map(name, pod["metadata"]["namespace"])
            texts = {file: text.encode() for file, text in (there.data or {}).items()}
            maps[name] = texts | {file: base64.b64decode(data) for file, data in (there.binary_data or {}).items()}
        return maps

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._listening.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        application.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._certificate())
        await site.start()
        self._port = runner.addresses[0][1]

    def _certificate(self) -> ssl.SSLContext:
        key, certificate = self._folder / "kubelet.key", self._folder / "kubelet.crt"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kubelet"]
        subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    async def _logs(self, request: web.Request) -> web.Response:
        lines = int(request.query.get("tailLines", "0")) or None
        return web.Response(text=self.pods[request.match_info["pod"]].log(request.match_info["container"], lines))

    async def _exec(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        pod, container = self.pods[request.match_info["pod"]], request.match_info["container"]
        done = await asyncio.to_thread(pod.execute, container, request.query.getall("command"))
        for channel, output in ((_STDOUT, done.stdout), (_STDERR, done.stderr)):
            if output:
                await socket.send_bytes(channel + output)
        causes = [{"reason": "ExitCode", "message": str(done.returncode)}]
        failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        status = failure if done.returncode else {"status": "Success"}
        await socket.send_bytes(_STATUS + json.dumps(status).encode())
        await socket.close()
        return socket
