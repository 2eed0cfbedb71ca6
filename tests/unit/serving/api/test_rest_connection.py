"""A client that sends slowly, or headers without end, loses its connection; one that has sent all is answered."""

import http.client
import socket
import threading
import time

import pytest
import uvicorn

from serving.api import rest_connection
from serving.api.rest_connection import MAX_HEADER_BYTES, TimedProtocol

START = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def answers(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def connection(monkeypatch):
    monkeypatch.setattr(rest_connection, "RECEIVE_S", 0.4)
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(answers, http=TimedProtocol, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    with socket.create_connection(bound.getsockname(), timeout=20) as opened:
        yield opened
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("sent", [b"PO", START, b"\r\n", START + b"Content-Length: 9\r\n\r\nhalf"])
def test_a_request_that_does_not_end_in_time_is_answered_with_408_and_closed(connection, sent):
    connection.sendall(sent)
    assert connection.recv(1000).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert connection.recv(1000) == b""


def test_headers_without_end_are_answered_with_431(connection):
    connection.sendall(START + b"X: " + b"y" * (MAX_HEADER_BYTES + 1))
    assert connection.recv(1000).startswith(b"HTTP/1.1 431 ")


def test_an_idle_connection_stays_open_between_two_requests(connection):
    for _ in range(2):
        connection.sendall(START + b"Content-Length: 4\r\n\r\nbody")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"ok")
        time.sleep(0.6)


def test_a_client_that_closes_its_side_after_its_requests_is_answered(connection):
    """As `nc -N` does; RFC 9112, 9.6: a half-closed connection is no sign that nobody reads the answer."""
    connection.sendall(2 * (START + b"Content-Length: 4\r\n\r\nbody"))
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while more := connection.recv(1000):
        answer += more
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"ok")


def test_a_client_that_closes_its_side_within_a_request_loses_the_connection(connection):
    connection.sendall(START + b"Content-Length: 9\r\n\r\nhalf")
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1000) == b""
