"""Messages on their way to the engine's display, which here is a gRPC server that keeps them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from provider.engine.log import EngineLog

Heard = list[tuple[str, str, bool]]


class Engine(engine_pb2_grpc.EngineServicer):
    def __init__(self) -> None:
        self.heard: Heard = []

    def Log(self, request: engine_pb2.LogRequest, context: Any) -> Empty:  # noqa: ARG002, N802 - gRPC's names
        self.heard.append((request.urn, request.message, request.ephemeral))
        return Empty()


@pytest.fixture
def engine() -> Iterator[tuple[EngineLog, Heard]]:
    servicer, server = Engine(), grpc.server(ThreadPoolExecutor(1))
    engine_pb2_grpc.add_EngineServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield EngineLog(f"127.0.0.1:{port}"), servicer.heard
    server.stop(None)


def test_a_wait_is_one_message_however_often_it_is_reported(engine: tuple[EngineLog, Heard]) -> None:
    log, heard = engine
    for _ in range(50):
        log.write("serving", "waiting for the server", ephemeral=True)
        log.write("test", "waiting for the pod", ephemeral=True)
    assert heard == [("serving", "waiting for the server", True), ("test", "waiting for the pod", True)]


def test_a_status_is_sent_again_after_another_message(engine: tuple[EngineLog, Heard]) -> None:
    log, heard = engine
    for message, ephemeral in (("waiting", True), ("ready servers: 1", False), ("waiting", True)):
        log.write("serving", message, ephemeral=ephemeral)
    assert [message for _, message, _ in heard] == ["waiting", "ready servers: 1", "waiting"]


def test_what_is_logged_is_sent_each_time(engine: tuple[EngineLog, Heard]) -> None:
    log, heard = engine
    for _ in range(2):
        log.write("cleanup", "stopped process 7", ephemeral=False)
    assert heard == [("cleanup", "stopped process 7", False)] * 2


def test_an_engine_that_is_gone_is_no_error() -> None:
    EngineLog("127.0.0.1:1").write("serving", "waiting", ephemeral=True)
