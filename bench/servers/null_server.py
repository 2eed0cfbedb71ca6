"""A null server: it reads a request to its end and answers at once with a prediction of real size."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import uvloop

CLASSES = 1000
PROBABILITIES = [(1 + index) / 500500 for index in range(CLASSES)]
# A request has 0.8 MB, and a large buffer takes it with few system calls.
_BUFFER_BYTES = 1 << 20
_HEAD_END = b"\r\n\r\n"


def prediction(batch: int = 1) -> bytes:
    """The body of a correct answer, as long as one of ResNet50: probabilities with nine digits, as of float32."""
    row = [float(f"{probability:.8e}") for probability in PROBABILITIES]
    return json.dumps({"predictions": [row] * batch}).encode()


class NullProtocol(asyncio.BufferedProtocol):
    """The part of HTTP that a keep-alive client needs which sends Content-Length and does not pipeline."""

    def __init__(self, on_request: Callable[[asyncio.Transport], None]) -> None:
        """`on_request` is called for each complete request, and answers it on the transport."""
        self._on_request = on_request
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        """Always the same buffer, because no body is read."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if not self._missing:
            head_end = self._buffer.find(_HEAD_END, 0, nbytes) + len(_HEAD_END)
            head = bytes(self._view[:head_end]).lower()
            self._missing = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            nbytes -= head_end
        self._missing -= nbytes
        if not self._missing:
            self._on_request(self._transport)


def http_answer() -> bytes:
    body = prediction()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _serve() -> None:
    answer = http_answer()
    new_protocol = partial(NullProtocol, lambda transport: transport.write(answer))
    server = await asyncio.get_running_loop().create_server(new_protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent closes standard input, or ends, to stop the server.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(_serve())
