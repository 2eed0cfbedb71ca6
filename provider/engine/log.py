"""The engine that started this plugin: writes to its display, and detects its end."""

import socket
import threading
from collections.abc import Callable

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from analysis.formatting import printable

_WATCH_INTERVAL_S = 1.0
_CONNECT_TIMEOUT_S = 2.0


class EngineLog:
    """Writes messages about a resource to the engine's display."""

    def __init__(self, address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
        self._shown: dict[str, str] = {}

    def write(self, urn: str, message: str, *, ephemeral: bool) -> None:
        """Log a line. On a terminal, an `ephemeral` one is replaced by the next, and is gone at the end.

        Where the output is a file or a pipe, the engine prints each message as a line, so one that is shown already is
        not sent again. The engine itself shows how long an operation takes.
        """
        if ephemeral and self._shown.get(urn) == message:
            return
        self._shown[urn] = message
        # It may quote the log of a pod, or an answer of a server.
        text = printable(message)
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=ephemeral)
        try:
            self._engine.Log(request, timeout=_CONNECT_TIMEOUT_S)
        except grpc.RpcError:
            # A lost message is no reason to lose a measurement.
            return


def watch_engine(address: str, on_end: Callable[[], None]) -> None:
    """Call `on_end` once, from a thread of its own, when nothing listens at the engine's address any more.

    A killed engine does not stop its plugins, and their parent process may be a shell that goes on.
    """
    host, port = address.rsplit(":", 1)

    def poll() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_INTERVAL_S):
            try:
                socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
            except ConnectionRefusedError:
                on_end()
                return
            except OSError:
                continue

    threading.Thread(target=poll, name="watch-engine", daemon=True).start()
