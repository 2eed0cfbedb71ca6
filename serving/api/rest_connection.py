"""A REST connection that limits how long, and in how many bytes, a client may take to send a request.

uvicorn limits neither, only how long a connection may be idle between two requests.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.request_memory import RECEIVE_S

# As much as nginx takes by default: four buffers of 8 KiB (ngx_http_core_module, large_client_header_buffers).
MAX_HEADER_BYTES = 32 << 10


class TimedProtocol(HttpToolsProtocol):
    """Answers 408 to a request that takes too long, 431 to headers that are too large, and closes the connection."""

    _receiving: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        if self._receiving is None:
            self._receiving = self.loop.call_later(RECEIVE_S, self._refuse, HTTPStatus.REQUEST_TIMEOUT)
        if not self._in_body:
            self._header_bytes += len(data)
        super().data_received(data)
        if not self._in_body and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_body, self._header_bytes = True, 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False
        self._end_timer()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's own closes the connection
        """Keep the connection of a client that has sent all, until its requests are answered (RFC 9112, 9.6)."""
        cycles = [cycle for cycle, _ in self.pipeline]
        if self.cycle is not None and not self.cycle.response_complete:
            cycles.append(self.cycle)
        if not cycles or self._receiving is not None:
            return False
        self.cycle.keep_alive = False  # the newest, so the last to be answered
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_timer()

    def _end_timer(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._end_timer()
        if self.transport.is_closing():
            return
        # Not between the bytes of an answer.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_refusal(status))
        self.transport.close()


def _refusal(status: HTTPStatus) -> bytes:
    body = b'{"error": "%b"}' % status.phrase.encode()
    head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)
