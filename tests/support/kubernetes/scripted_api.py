"""An API server that answers as a test says, and a kubeconfig for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cr3t-t0ken-0f-the-user"


class Api(BaseHTTPRequestHandler):
    """Answers a request with the next of the server's answers: (status, document), or None to hang up."""

    server: "ScriptedApi"

    def answer(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.seen.append((self.command, self.path.partition("?")[0], self.headers["Authorization"]))
        self.server.tokens.append(self.headers["X-Token"])
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, document = answer
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


class ScriptedApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.answers: list[tuple[int, Any] | None] = []
        self.seen: list[tuple[str, str, str]] = []
        self.bodies: list[bytes] = []
        self.tokens: list[str | None] = []


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    server = ScriptedApi()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def kubeconfig(address: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {"token": SECRET}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def refusal(status: int, message: str) -> tuple[int, Any]:
    return status, {"kind": "Status", "message": message}
