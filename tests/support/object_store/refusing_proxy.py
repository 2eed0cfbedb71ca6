"""A proxy before the object-store server, which checks no credentials: refuses requests as Google's service does."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.support.loopback import serve_http
from tests.support.object_store.serve import ObjectStore, object_store

# The format, the codes and the reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes.
REFUSALS = {
    401: ("authError", "Invalid Credentials"),
    403: ("forbidden", "tester@acme.iam.gserviceaccount.com does not have storage.objects.create access."),
    503: ("backendError", "We encountered an internal error. Please try again."),
}
# `Host` is passed on: the server sends clients there with the content of an upload.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class RefusingProxy:
    """`refuse` gives the status of a refusal for a method and a path, or None to pass the request on."""

    refuse: Callable[[str, str], int | None] = lambda _method, _path: None
    store: ObjectStore = field(init=False)
    url: str = field(init=False)
    requests: list[str] = field(default_factory=list)
    """Method and path of each request, in order."""

    def uri(self, path: str) -> str:
        """The URI of a path in the bucket, through this proxy."""
        return self.store.uri(path, via=self.url)


@contextmanager
def refusing_proxy() -> Iterator[RefusingProxy]:
    """Run a proxy with a server of its own behind it."""
    proxy = RefusingProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.requests.append(f"{self.command} {self.path}")
            if code := proxy.refuse(self.command, self.path):
                self._refuse(code)
                return
            upstream = http.client.HTTPConnection(urlsplit(proxy.store.url).netloc, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            upstream.request(self.command, self.path, content, headers)
            answer = upstream.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
            upstream.close()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names of the base class

        def _refuse(self, code: int) -> None:
            reason, message = REFUSALS[code]
            error = {"message": message, "domain": "global", "reason": reason}
            body = {"error": {"code": code, "message": message, "errors": [error]}}
            self._answer(code, [("Content-Type", "application/json")], json.dumps(body).encode())

        def _answer(self, code: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(code)
            for name, value in headers:
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Handler) as proxy.url, object_store() as proxy.store:
        yield proxy
