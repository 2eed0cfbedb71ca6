"""An HTTPS proxy in front of an API server, under a name of its own, through which no connection is upgraded.

What such a proxy answers is not one thing, so there are three kinds, each with its source.
"""

import asyncio
import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.support.kubernetes.credentials import kubeconfig

NAME = "localhost"  # the API server's own certificate is for its address

# It answers by itself: RFC 9110, section 15.5.4.
FORBIDS = "forbids"
# It takes fields of one hop from the request, Connection and Upgrade among them, and passes on what remains: RFC 9110,
# section 7.6.1. What the API server then answers is its own.
DROPS = "drops"
# It closes the connection without an answer: RFC 9110, section 7.8, lets a server do as it likes with an Upgrade.
HANGS_UP = "hangs up"

_OF_ONE_HOP = {"connection", "upgrade", "keep-alive", "te", "trailer", "transfer-encoding", "proxy-authorization"}
_NOT_PASSED_BACK = _OF_ONE_HOP | {"content-encoding", "content-length"}


@dataclass
class Passed:
    """What went through: the kubeconfig that leads here, and the paths of upgrades and of requests to pods."""

    kubeconfig: str = ""
    upgrades: list[str] = field(default_factory=list)
    to_pods: list[str] = field(default_factory=list)


class _Proxy:
    def __init__(self, kind: str, cluster: dict[str, str], passed: Passed) -> None:
        self._kind = kind
        self._passed = passed
        self._api = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._trusted = ssl.create_default_context(cadata=authority)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            self._passed.upgrades.append(request.path)
            if self._kind == FORBIDS:
                return web.Response(status=403, text="no WebSockets here")
            if self._kind == HANGS_UP:
                assert request.transport
                request.transport.abort()
                return web.Response()
        elif "/proxy/" in request.path:
            self._passed.to_pods.append(request.path)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_ONE_HOP}
        headers["Host"] = self._api.removeprefix("https://")
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Content-Type", "User-Agent"]) as session,
            session.request(
                request.method,
                self._api + request.raw_path,
                headers=headers,
                data=await request.read(),
                ssl=self._trusted,
                allow_redirects=False,
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_BACK}
            passed_back = web.StreamResponse(status=answer.status, headers=kept)
            await passed_back.prepare(request)
            async for chunk in answer.content.iter_any():
                await passed_back.write(chunk)
            await passed_back.write_eof()
            return passed_back


@contextmanager
def no_upgrades(kind: str, behind: Path, folder: Path) -> Iterator[Passed]:
    """Inside the block it listens, as one of FORBIDS, DROPS and HANGS_UP; `behind` is the API server's kubeconfig."""
    api = json.loads(behind.read_text())
    key, certificate = folder / "proxy.key", folder / "proxy.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    passed = Passed()
    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{path:.*}", _Proxy(kind, api["clusters"][0]["cluster"], passed).pass_on)
    runner = web.AppRunner(application, shutdown_timeout=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start())
    server = f"https://{NAME}:{runner.addresses[0][1]}"
    authority = base64.b64encode(certificate.read_bytes()).decode()
    passed.kubeconfig = kubeconfig(server, authority, "admin", api["users"][0]["user"]["token"])
    thread = threading.Thread(target=loop.run_forever, name="proxy without upgrades")
    thread.start()
    try:
        yield passed
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        # Whoever watches something through the proxy never ends by itself.
        watching = asyncio.all_tasks(loop)
        for task in watching:
            task.cancel()
        if watching:
            loop.run_until_complete(asyncio.wait(watching))
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
