"""Requests that the kernel sends from a file in memory arrive as those that are copied do, over real sockets."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gevent.socket
import pytest

from loadtest.generator.clients.rest import stored_requests
from loadtest.generator.clients.rest.stored_requests import StoredRequest, stored

SMALL = b"POST / HTTP/1.1\r\n\r\n"
LARGE = [bytes([number]) * 900_000 for number in range(8)]


def is_in_file(request: StoredRequest) -> bool:
    return request._file is not None


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket]]:
    """A socket of the generator, and one that reads from it."""
    one, other = socket.socketpair()
    sender = gevent.socket.socket(fileno=one.detach())
    with sender, other:
        yield sender, other


def received(reader: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := reader.recv(1 << 16)):
        found += part
    return found


def test_each_of_many_large_ones_arrives_as_it_is(pair: tuple[Any, socket.socket]) -> None:
    sender, reader = pair
    contents = [SMALL, *LARGE, SMALL + b"body"]
    requests = stored(contents)
    assert [is_in_file(request) for request in requests] == [False, *[True] * 8, False]
    for content, request in zip(contents, requests, strict=True):
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(received, reader, len(content))
            request.send(sender)
            assert reading.result(10) == content


def test_few_large_ones_that_a_cache_holds_are_copied() -> None:
    assert not any(map(is_in_file, stored(LARGE[:4])))


def test_where_there_are_no_files_in_memory_all_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(stored_requests.os, "memfd_create")
    assert not any(map(is_in_file, stored(LARGE)))


def test_a_reader_that_takes_nothing_is_a_time_out(pair: tuple[Any, socket.socket]) -> None:
    sender, _ = pair
    sender.settimeout(0.2)
    (request, *_) = stored(LARGE)
    assert is_in_file(request)
    with pytest.raises(TimeoutError, match="timed out"):
        request.send(sender)


def test_a_reader_that_is_gone_is_a_broken_pipe(pair: tuple[Any, socket.socket]) -> None:
    sender, reader = pair
    reader.close()
    with pytest.raises(BrokenPipeError):
        stored(LARGE)[0].send(sender)


def test_others_go_on_while_one_waits_for_its_reader(pair: tuple[Any, socket.socket]) -> None:
    sender, reader = pair
    request = stored(LARGE)[3]
    sending = gevent.spawn(request.send, sender)
    gevent.sleep(0.05)
    assert not sending.ready(), "the buffers hold less"
    reading = gevent.get_hub().threadpool.spawn(received, reader, len(LARGE[3]))
    sending.get(timeout=10)
    assert reading.get(timeout=10) == LARGE[3]
