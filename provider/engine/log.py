"""The engine that started this plugin: telling it what happens, and noticing when it is gone."""

import socket
import threading
from collections.abc import Callable

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_WATCH_INTERVAL_S = 1.0
_CONNECT_TIMEOUT_S = 2.0


class EngineLog:
    """Writes lines beside a resource in the engine's display."""

    def __init__(self, address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def say(self, urn: str, message: str) -> None:
        """A line that stays."""
        self._log(urn, message, ephemeral=False)

    def show(self, urn: str, message: str) -> None:
        """A line that the next one replaces; a display that is no terminal leaves it out."""
        self._log(urn, message, ephemeral=True)

    def _log(self, urn: str, message: str, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=ephemeral)
        try:
            self._engine.Log(request, timeout=_CONNECT_TIMEOUT_S)
        except grpc.RpcError:
            # Progress that nobody can read any more is no reason to lose a measurement.
            return


def watch(address: str, when_gone: Callable[[], None]) -> None:
    """Call `when_gone` once, from a thread of its own, when nothing listens at the engine's address any more.

    A killed engine does not stop its plugins, and their parent may be a shell that lives on, so the address is asked.
    """
    host, port = address.rsplit(":", 1)

    def ask() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_INTERVAL_S):
            try:
                socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
            except ConnectionRefusedError:
                when_gone()
                return
            except OSError:
                continue

    threading.Thread(target=ask, name="watch-engine", daemon=True).start()
