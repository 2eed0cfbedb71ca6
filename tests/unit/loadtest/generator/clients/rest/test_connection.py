"""The generator's own connection against real servers: kept as long as it can be, and each request sent once."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loadtest.generator.clients.rest.connection import RestConnection, post_of
from loadtest.generator.clients.rest.stored_requests import stored
from loadtest.generator.clients.server_addresses import ServerAddresses
from loadtest.generator.plan import Limits
from tests.unit.loadtest.conftest import RIGHT, ScriptedServer

Serve = Callable[[Callable[[Any, int], None]], ScriptedServer]

PATH = "/v1/models/resnet:predict"
BODY = b"x" * 800_000
LIMITS = Limits(connect_timeout_s=1, response_timeout_s=0.3)


@contextmanager
def connected(url: str, *, renewed: bool = False) -> Iterator[Callable[[], tuple[int, bytes]]]:
    """Asks once when it is called: status and body of the answer."""
    connection = RestConnection(ServerAddresses(url), LIMITS, renewed=renewed)
    (request,) = stored([post_of(f"{url}{PATH}", BODY, renewed=renewed)])

    def ask() -> tuple[int, bytes]:
        response, content = connection.send(request)
        return response.status_code, content

    yield ask
    connection.close()


def at_once(exchange: Any, _: int) -> None:
    exchange.answer()


def test_the_request_arrives_as_it_was_written(serve: Serve) -> None:
    headers: list[dict[str, str]] = []

    def keep_headers(exchange: Any, _: int) -> None:
        headers.append(dict(exchange.headers))
        exchange.answer()

    server = serve(keep_headers)
    with connected(server.url) as ask:
        assert ask() == (200, RIGHT)
    (seen,) = server.seen
    assert (seen.path, seen.body) == (PATH, BODY)
    assert headers == [
        {
            "Host": server.url.removeprefix("http://"),
            "User-Agent": "shapebench",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Content-Length": str(len(BODY)),
        }
    ]


def test_requests_follow_one_another_on_one_connection(serve: Serve) -> None:
    server = serve(at_once)
    with connected(server.url) as ask:
        assert [ask() for _ in range(3)] == [(200, RIGHT)] * 3
    assert len({seen.connection for seen in server.seen}) == 1


def test_after_the_server_closes_an_idle_connection_the_next_request_uses_a_new_one(serve: Serve) -> None:
    def answer_and_hang_up(exchange: Any, _: int) -> None:
        exchange.answer()
        exchange.hang_up()

    server = serve(answer_and_hang_up)
    with connected(server.url) as ask:
        for _ in range(3):
            assert ask() == (200, RIGHT)
            time.sleep(0.05)
    assert len({seen.connection for seen in server.seen}) == len(server.seen) == 3


def test_a_connection_that_the_server_announces_to_close_is_not_used_again(serve: Serve) -> None:
    server = serve(lambda exchange, _: exchange.answer(Connection="close"))
    with connected(server.url) as ask:
        assert [ask(), ask()] == [(200, RIGHT)] * 2
    assert len({seen.connection for seen in server.seen}) == len(server.seen) == 2


def test_a_renewed_connection_carries_one_request_and_the_server_is_asked_to_close_it(serve: Serve) -> None:
    connection_headers: list[str | None] = []

    def note_header(exchange: Any, _: int) -> None:
        connection_headers.append(exchange.headers["Connection"])
        exchange.answer()

    server = serve(note_header)
    with connected(server.url, renewed=True) as ask:
        assert [ask() for _ in range(3)] == [(200, RIGHT)] * 3
    assert connection_headers == ["close"] * 3
    assert len({seen.connection for seen in server.seen}) == 3


def test_a_renewed_connection_is_not_used_again_if_the_server_keeps_it(serve: Serve) -> None:
    def keep(exchange: Any, _: int) -> None:
        exchange.close_connection = False
        exchange.answer()

    server = serve(keep)
    with connected(server.url, renewed=True) as ask:
        assert [ask() for _ in range(2)] == [(200, RIGHT)] * 2
    assert len({seen.connection for seen in server.seen}) == 2


def test_an_answer_after_a_time_out_is_not_the_answer_to_the_next_request(serve: Serve) -> None:
    def first_one_late(exchange: Any, number: int) -> None:
        time.sleep(0.0 if number else 0.5)
        exchange.answer(b"%d" % number)

    server = serve(first_one_late)
    with connected(server.url) as ask:
        with pytest.raises(TimeoutError):
            ask()
        time.sleep(0.4)
        assert ask() == (200, b"1")
    assert len(server.seen) == 2, "nothing was sent again"


def test_the_answer_of_a_server_that_refuses_a_request_early_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno")

        refusing = threading.Thread(target=refuse)
        refusing.start()
        with connected(f"http://127.0.0.1:{listening.getsockname()[1]}") as ask:
            assert ask() == (413, b"no")
        refusing.join()
