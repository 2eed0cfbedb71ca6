"""The wait for a server on this machine, against programs that are none."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analysis.results.schema.manifest import Computation
from provider.local import startup

# The first bytes of a gRPC server: an empty SETTINGS frame of HTTP/2 (RFC 9113, 6.5).
HTTP_2 = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("says", [HTTP_2, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<>"])
def test_another_program_at_the_port_is_no_server_and_no_traceback(says: bytes) -> None:
    with answering(says) as url:
        assert startup._is_ready(url) == says.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("page", "computation"),
    [
        (b'{"metadata": {"signature_def": {}, "computation": {"precision": "float32", "largest_difference": 1.5e-07}}}',
         Computation(precision="float32", largest_difference=1.5e-7)),
        (b'{"metadata": {"signature_def": {}}}', None),
        (b"<>", None),
    ],
)  # fmt: skip
def test_a_server_that_converts_says_how_it_computes(page: bytes, computation: Computation | None) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)) as url:
        assert startup.computation_of(url) == computation


@contextmanager
def answering(says: bytes) -> Iterator[str]:
    """The URL of a program that answers one connection with these bytes."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 20)
            connection.sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models/resnet"
