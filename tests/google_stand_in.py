"""Stands in for Google Cloud's REST APIs, over real HTTP: a project with quotas, rights and whatever a test puts there.

It answers in the form of Google's references (compute v1, container v1, iam v1, cloudresourcemanager v1, serviceusage
v1, storage v1), lists in pages, and refuses to delete what is in use.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cloud.needs import APIS
from cloud.preflight import ROLES
from cloud.rest import ENDPOINTS

Json = dict[str, Any]
PROJECT, REGION, ZONE = "acme", "us-central1", "us-central1-a"

_LARGE = (1000.0, 0.0)
_REGIONAL = ("CPUS", "E2_CPUS", "INSTANCES", "SSD_TOTAL_GB", "IN_USE_ADDRESSES", "STATIC_ADDRESSES")
_OF_PROJECT = ("CPUS_ALL_REGIONS", "NETWORKS", "SUBNETWORKS", "ROUTERS")


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class GoogleStandIn:
    """One project. `answers_first` are answers in place of the next ones: a status, and a body or None for Google's."""

    project: str = PROJECT
    apis: set[str] = field(default_factory=lambda: set(APIS))
    zones: dict[str, str] = field(default_factory=lambda: {ZONE: "UP"})
    regional: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(_REGIONAL, _LARGE))
    global_: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(_OF_PROJECT, _LARGE))
    permissions: set[str] = field(default_factory=lambda: set(ROLES))
    things: dict[str, Json] = field(default_factory=dict)
    """What there is, by service and path: `iam/projects/acme/serviceAccounts/<email>`."""
    answers_first: list[tuple[int, bytes | None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, body: Json) -> tuple[int, bytes]:
        url = urlsplit(target)
        path = unquote(url.path).lstrip("/")
        self.asked.append(f"{method} {path}")
        if self.answers_first:
            code, content = self.answers_first.pop(0)
            return code, _error(code, "made to answer so") if content is None else content
        try:
            return 200, json.dumps(self._document(path, parse_qs(url.query), body)).encode()
        except RefusedError as error:
            return error.code, _error(error.code, str(error))

    def _document(self, path: str, query: dict[str, list[str]], body: Json) -> Json:
        service, _, rest = path.partition("/")
        of = re.match(r"projects/([^/:]+)", rest)
        if of and of[1] != self.project:
            raise RefusedError(403, f"Permission denied on resource project {of[1]}.")
        match rest.removeprefix(f"projects/{self.project}").split("/"):
            case ["", "services:batchGet"]:
                return {"services": [self._service(name) for name in query["names"]]}
            case [":testIamPermissions"]:
                return {"permissions": [each for each in body["permissions"] if each in self.permissions]}
            case ["", "zones", zone]:
                if zone not in self.zones:
                    raise RefusedError(404, f"The resource '{rest}' was not found")
                return {"name": zone, "status": self.zones[zone]}
            case ["", "regions", _]:
                return {"quotas": _quotas(self.regional)}
            case [""] if service == "compute":
                return {"quotas": _quotas(self.global_)}
        if path in self.things:
            return self.things[path]
        raise RefusedError(404, f"The resource '{rest}' was not found")

    def _service(self, name: str) -> Json:
        return {"name": name, "state": "ENABLED" if name.rpartition("/")[2] in self.apis else "DISABLED"}


def _quotas(quotas: dict[str, tuple[float, float]]) -> list[Json]:
    return [{"metric": metric, "limit": limit, "usage": usage} for metric, (limit, usage) in quotas.items()]


def _error(code: int, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


@contextmanager
def serving(stand_in: GoogleStandIn) -> Iterator[dict[str, str]]:
    """Answers on the loopback; yields the `gcp:*` keys that lead there."""

    class Handler(BaseHTTPRequestHandler):
        # Head and body in one packet: two would wait for each other.
        wbufsize = -1
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            # The server looks for do_GET, do_POST and do_DELETE, which are all one here.
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            code, content = stand_in.answer(self.command, self.path, body)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield {
            f"gcp:{service}CustomEndpoint": f"http://127.0.0.1:{server.server_port}/{service}/" for service in ENDPOINTS
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
