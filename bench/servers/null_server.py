"""A server that does nothing: it reads a request to its end and answers a prediction of real size at once."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import uvloop

_CLASSES = 1000
# Whole requests of 0.8 MB pass through; a larger buffer is filled with fewer system calls.
_BUFFER_BYTES = 1 << 20
_HEAD_END = b"\r\n\r\n"


def prediction(batch: int = 1) -> bytes:
    """The body of a right answer, as long as one of ResNet50: probabilities with nine digits, as of float32."""
    row = [float(f"{(1 + index) / 500500:.8e}") for index in range(_CLASSES)]
    return json.dumps({"predictions": [row] * batch}).encode()


class NullProtocol(asyncio.BufferedProtocol):
    """HTTP as far as one keep-alive client needs it that sends Content-Length and does not pipeline."""

    def __init__(self, on_request: Callable[[asyncio.Transport], None]) -> None:
        """`on_request` hears of every whole request, and answers it on the transport."""
        self._on_request = on_request
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        """All bytes land in the same place: nobody looks at a body."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Have it answered when the body is complete."""
        if not self._missing:
            head_end = self._buffer.find(_HEAD_END, 0, nbytes) + len(_HEAD_END)
            head = bytes(self._view[:head_end]).lower()
            self._missing = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            nbytes -= head_end
        self._missing -= nbytes
        if not self._missing:
            self._on_request(self._transport)


def http_answer() -> bytes:
    """A right answer with its head."""
    body = prediction()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _serve() -> None:
    answer = http_answer()
    new_protocol = partial(NullProtocol, lambda transport: transport.write(answer))
    server = await asyncio.get_running_loop().create_server(new_protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with whoever started it: its standard input closes then.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(_serve())
