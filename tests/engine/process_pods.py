"""Pods as processes, with what a kubelet tells of them: real logs and real commands.

It speaks the kubelet's own interface to the API server (containerLogs, exec by WebSocket), for any number of nodes.
"""

import asyncio
import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from kubernetes import client

from provider.cluster.load_job import GENERATOR
from tests.support.pod_processes import PodProcesses, ServerPodProcess, ServerProcess, config_map_sources

Json = dict[str, Any]

_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"


# The status of a container in a server's pod that only says that it is ready.
_READY = {"ready": True, "restartCount": 0, "state": {"running": {}}}


class ProcessPods:
    """Runs pods from their first `status` to `stop`. See `process_pods`."""

    def __init__(self, api: client.ApiClient, folder: Path) -> None:
        self._core = client.CoreV1Api(api)
        self._folder = folder
        self._by_name: dict[str, PodProcesses] = {}
        self.address: str | None = None
        """The address of the pods that are started from now on; each has one of its own where this is None."""
        self.names: dict[str, str] = {}
        """What a cluster's DNS would resolve, and what answers here instead."""
        self.server: ServerProcess | None = None
        """What answers a command in every pod that is not the generator's, where no server runs for it."""
        self.serves_at: str | None = None
        """The address at which a server runs for a server's pod; where this is None, such a pod only says so."""
        self._servers: dict[str, ServerPodProcess] = {}
        self._port = 0

    @property
    def last(self) -> PodProcesses:
        """The pod that was started last."""
        return list(self._by_name.values())[-1]

    @property
    def alive(self) -> list[str]:
        """The containers whose processes run."""
        return [container for pod in self._by_name.values() for container in pod.alive]

    @property
    def node_status(self) -> Json:
        """What a node says of itself, so that the API server finds these pods."""
        return {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
        }

    def status(self, pod: Json) -> Json:
        """What the kubelet would report of this pod, which is started the first time."""
        name = pod["metadata"]["name"]
        if name not in self._by_name:
            folder = self._folder / name
            folder.mkdir()
            self._by_name[name] = PodProcesses(
                pod["spec"], folder, self._config_maps(pod), self.names, pod["metadata"]["labels"]
            )
            if self.address:
                self._by_name[name].address = self.address
            self._by_name[name].start()
        return self._by_name[name].status()

    def server_status(self, pod: Json) -> Json:
        """What the kubelet would report of the container of a server's pod, which is started the first time."""
        name = pod["metadata"]["name"]
        if self.serves_at and name not in self._servers:
            config_maps = self._config_maps(pod)
            self._servers[name] = ServerPodProcess(pod["spec"], self._folder / name, config_maps, self.serves_at)
        return self._servers[name].status() if name in self._servers else _READY

    def stop(self, name: str) -> None:
        """End the pod, where it is one of these."""
        if pod := self._by_name.get(name) or self._servers.get(name):
            pod.stop()

    def stop_all(self) -> None:
        """End whatever still runs."""
        for pod in (*self._by_name.values(), *self._servers.values()):
            pod.stop()

    def _config_maps(self, pod: Json) -> dict[str, dict[str, bytes]]:
        sources = [source for volume in pod["spec"]["volumes"] for source in config_map_sources(volume)]
        names = [source["configMap"]["name"] for source in sources]
        maps = {}
        for name in names:
            there = self._core.read_namespaced_config_map(name, pod["metadata"]["namespace"])
            texts = {file: text.encode() for file, text in (there.data or {}).items()}
            maps[name] = texts | {file: base64.b64decode(data) for file, data in (there.binary_data or {}).items()}
        return maps

    async def listen(self) -> None:
        """Answer the API server from now on."""
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
        return web.Response(text=self._asked_of(request).log(request.match_info["container"], lines))

    async def _exec(self, request: web.Request) -> web.WebSocketResponse:
        pod, container = self._runs_in(request), request.match_info["container"]
        command = request.query.getall("command")
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        if request.query.get("input") == "1":
            # What takes input does the same for each line of it, so it is started anew for each.
            async for _ in socket:
                done = await asyncio.to_thread(pod.execute, container, command)
                await socket.send_bytes(_STDOUT + done.stdout)
            return socket
        done = await asyncio.to_thread(pod.execute, container, command)
        for channel, output in ((_STDOUT, done.stdout), (_STDERR, done.stderr)):
            if output:
                await socket.send_bytes(channel + output)
        causes = [{"reason": "ExitCode", "message": str(done.returncode)}]
        failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        status = failure if done.returncode else {"status": "Success"}
        await socket.send_bytes(_STATUS + json.dumps(status).encode())
        await socket.close()
        return socket

    def _asked_of(self, request: web.Request) -> PodProcesses:
        return self._by_name[request.match_info["pod"]]

    def _runs_in(self, request: web.Request) -> PodProcesses | ServerProcess:
        name = request.match_info["pod"]
        processes = self._by_name.get(name) or self._servers.get(name) or self.server
        if processes is None:
            raise web.HTTPNotFound(text="there is no process in this pod")
        return processes


@contextmanager
def process_pods(api: client.ApiClient, folder: Path) -> Iterator[ProcessPods]:
    """Pods that the API server reaches, until the end of the block, when every process is ended."""
    pods = ProcessPods(api, folder)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pods.listen())
    thread = threading.Thread(target=loop.run_forever, name="kubelet interface")
    thread.start()
    try:
        yield pods
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        pods.stop_all()


def is_of_the_generator(pod: Json) -> bool:
    """Whether its processes can run here; any other pod is only said to be ready."""
    return bool(pod["spec"]["containers"][0]["name"] == GENERATOR)
