"""A connection that sends the same request again and again. Plain HTTP, as TF Serving serves it."""

import contextlib
from collections.abc import Mapping
from select import POLLIN
from urllib.parse import urlsplit

import gevent.socket
from gevent.monkey import get_original
from geventhttpclient.response import HTTPResponse, HTTPSocketResponse

from loadtest.generator.clients.rest.stored_requests import StoredRequest
from loadtest.generator.clients.server_addresses import Address, ServerAddresses
from loadtest.generator.plan import Limits

# gevent's own `poll` passes through the event loop even when there is nothing to read.
_poll = get_original("select", "poll")

# An answer is read in pieces of this size; one of a thousand numbers is 14 kB.
_BLOCK_BYTES = 1 << 16


JSON_HEADERS = {"Content-Type": "application/json"}


def post_of(url: str, body: bytes, *, renewed: bool = False, headers: Mapping[str, str] = JSON_HEADERS) -> bytes:
    """The whole request as bytes: joining head and body for each one would copy 0.8 MB a request.

    `renewed`: the server is asked to close the connection after its answer.
    """
    parts = urlsplit(url)
    close = "Connection: close\r\n" if renewed else ""
    own = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {parts.path} HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\n"
        "User-Agent: shapebench\r\n"
        f"{own}"
        # Compressed answers would hide the number of bytes on the wire, and decompressing takes this process's time.
        "Accept-Encoding: identity\r\n"
        f"{close}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class RestConnection:
    """Connects for the first request, and again after the server has closed the connection.

    With `renewed` it connects for each request.
    """

    def __init__(self, addresses: ServerAddresses, limits: Limits, *, renewed: bool = False) -> None:
        self._addresses = addresses
        self._limits = limits
        self._renewed = renewed
        self._kept: gevent.socket.socket | None = None

    def send(self, request: StoredRequest) -> tuple[HTTPResponse, bytes]:
        """Send the request once, and read head and body of the answer.

        Raises OSError where the network fails, also TimeoutError, and HTTPParseError where the answer is not HTTP.
        """
        socket, self._kept = self._kept_or_new(), None
        try:
            # A server may answer and close before it has the whole request: its answer says more than the broken pipe.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                request.send(socket)
            response = HTTPSocketResponse(socket, _BLOCK_BYTES, "POST")
            content = response.read()
        except BaseException:
            socket.close()
            raise
        if response.should_close() and not self._renewed:
            socket.close()
        else:
            # The side that closes first keeps the port for a minute (TIME_WAIT): by the next request the server has.
            self._kept = socket
        return response, content

    def close(self) -> None:
        if self._kept:
            self._kept.close()

    def _kept_or_new(self) -> gevent.socket.socket:
        if self._kept and not self._renewed and not _is_readable(self._kept):
            return self._kept
        self.close()
        *others, last = self._addresses.shuffled()
        for address in others:
            with contextlib.suppress(OSError):
                return self._connected(address)
        return self._connected(last)

    def _connected(self, address: Address) -> gevent.socket.socket:
        family, place = address
        socket = gevent.socket.socket(family, gevent.socket.SOCK_STREAM)
        try:
            socket.settimeout(self._limits.connect_timeout_s)
            socket.connect(place)
        except BaseException:
            socket.close()
            raise
        socket.settimeout(self._limits.response_timeout_s)
        return socket


def _is_readable(socket: gevent.socket.socket) -> bool:
    """Before a request is sent, that means that the server closed the connection or sent something unexpected."""
    poll = _poll()
    poll.register(socket, POLLIN)
    return bool(poll.poll(0))
