"""One kept connection that asks the same thing again and again. Plain HTTP, as TF Serving speaks it."""

import contextlib
from select import POLLIN
from urllib.parse import urlsplit

import gevent.socket
from gevent.monkey import get_original
from geventhttpclient.response import HTTPResponse, HTTPSocketResponse

from loadtest.generator.plan import Limits

# gevent's own passes through its event loop even to say that there is nothing.
_poll = get_original("select", "poll")

# An answer is read in pieces of this size; one of a thousand numbers is 14 kB.
_BLOCK_BYTES = 1 << 16


def post_of(url: str, body: bytes) -> bytes:
    """The whole request, as it is sent each time: joining head and body anew would copy 0.8 MB a request."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\n"
        "User-Agent: shapebench\r\n"
        "Content-Type: application/json\r\n"
        # Compressed answers would hide how many bytes were on the wire, and decompressing is work of this process.
        "Accept-Encoding: identity\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class RestConnection:
    """Connects when it has to: for the first request, and after the server has closed the connection."""

    def __init__(self, url: str, limits: Limits) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port or 80)
        self._limits = limits
        self._kept: gevent.socket.socket | None = None

    def ask(self, request: bytes) -> tuple[HTTPResponse, bytes]:
        """Send it once, and read head and body of the answer to the end.

        Raises OSError where the network fails, also TimeoutError, and HTTPParseError where the answer is no HTTP.
        """
        socket, self._kept = self._kept_or_new(), None
        try:
            # Who refuses a request before all of it is there answers and closes: that says more than a broken pipe.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                socket.sendall(request)
            response = HTTPSocketResponse(socket, _BLOCK_BYTES, "POST")
            content = response.read()
        except BaseException:
            socket.close()
            raise
        if response.should_close():
            socket.close()
        else:
            self._kept = socket
        return response, content

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._kept:
            self._kept.close()

    def _kept_or_new(self) -> gevent.socket.socket:
        if self._kept and not _has_something(self._kept):
            return self._kept
        self.close()
        socket = gevent.socket.create_connection(self._address, self._limits.connect_timeout_s)
        socket.settimeout(self._limits.response_timeout_s)
        return socket


def _has_something(socket: gevent.socket.socket) -> bool:
    """Before anything was asked that is the end of the connection, or nothing that was meant for us."""
    look = _poll()
    look.register(socket, POLLIN)
    return bool(look.poll(0))
