"""A real HTTP server that answers as a test's script says."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.loadtest.scenarios import ResultOf

# The right answer to a model of three classes.
RIGHT = json.dumps({"predictions": [[0.25, 0.5, 0.25]]}).encode()


class Exchange(BaseHTTPRequestHandler):
    """One request: it is read in full and then answered as the script says."""

    protocol_version = "HTTP/1.1"
    server: "ScriptedServer"

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.script(self, self.server.note(self))

    def do_GET(self) -> None:
        """TF Serving's page of counters, as far as it goes without a model."""
        counted = f':tensorflow:serving:request_count{{model_name="resnet",status="OK"}} {len(self.server.seen)}'
        self.answer(counted.encode())

    def answer(self, content: bytes = RIGHT, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


Script = Callable[[Exchange, int], None]


@dataclass
class Seen:
    path: str
    body: bytes
    connection: tuple[str, int]
    at: float = field(default_factory=time.time)


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.script = script
        self.seen: list[Seen] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def note(self, exchange: Exchange) -> int:
        """Remember the request; returns how many came before it."""
        with self._lock:
            self.seen.append(Seen(exchange.path, exchange.body, exchange.client_address))
            return len(self.seen) - 1

    def handle_error(self, *_: object) -> None:
        """A client that went away is part of the script."""


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start(script: Script) -> ScriptedServer:
        server = ScriptedServer(script)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def result_of(
    request: pytest.FixtureRequest, serve: Callable[[Script], ScriptedServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ResultOf]:
    """The result of each `@scenario` of the module, all of which get `serve`."""
    with request.module.scenario.played(request, tmp_path_factory, serve) as result_of:
        yield result_of
