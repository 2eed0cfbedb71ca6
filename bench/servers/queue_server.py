"""A null server with a queue: c workers, a service time and programmed stalls; it knows what it did, and tells."""

import asyncio
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from bench.servers.null_server import NullProtocol, http_answer
from bench.servers.queueing import Queue, Stall

# Between CLOCK_MONOTONIC and seconds of the epoch, in which the generators record.
_EPOCH_MINUS_MONOTONIC_S = time.time() - time.monotonic()


@dataclass(frozen=True)
class Serving:
    """How it serves. The stall, if it lasts at all, begins so long after the first request arrived."""

    workers: int = 1
    service_s: float = 0.0
    stall_after_s: float = 0.0
    stall_s: float = 0.0


@dataclass
class Running:
    """A server of its own process; `told` is there when it has ended."""

    port: int
    told: "Told | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Told:
    """What the server says of itself: its stalls in seconds of the epoch, and how long each request took in it."""

    stalls: list[Stall] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


@contextmanager
def running(serving: Serving) -> Iterator[Running]:
    """A server that ends with the block, and tells then."""
    command = [sys.executable, "-m", "bench.servers.queue_server", json.dumps(vars(serving))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        here = Running(int(server.stdout.readline()))
        try:
            yield here
        finally:
            told = json.loads(server.communicate()[0])
        here.told = Told([Stall(**stall) for stall in told["stalls"]], told["took_s"])


class _Server:
    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._answer = http_answer()
        self._queue: Queue | None = None
        self._stalls: list[Stall] = []
        self._took_s: list[float] = []

    def on_request(self, transport: asyncio.Transport) -> None:
        arrived_s = time.monotonic()
        queue = self._queue = self._queue or self._begin(arrived_s)
        end_s = queue.end_s(arrived_s)
        if end_s > arrived_s:
            asyncio.get_running_loop().call_at(end_s, self._send, transport, arrived_s)
        else:
            self._send(transport, arrived_s)

    def told(self) -> Told:
        stalls = [Stall(each.began_s + _EPOCH_MINUS_MONOTONIC_S, each.lasts_s) for each in self._stalls]
        return Told(stalls, self._took_s)

    def _begin(self, first_s: float) -> Queue:
        if self._serving.stall_s:
            self._stalls = [Stall(first_s + self._serving.stall_after_s, self._serving.stall_s)]
        return Queue(self._serving.workers, self._serving.service_s, self._stalls)

    def _send(self, transport: asyncio.Transport, arrived_s: float) -> None:
        self._took_s.append(time.monotonic() - arrived_s)
        transport.write(self._answer)


async def _serve(serving: Serving) -> None:
    loop = asyncio.get_running_loop()
    server = _Server(serving)
    listening = await loop.create_server(partial(NullProtocol, server.on_request), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    # Ends with whoever started it: its standard input closes then.
    await loop.run_in_executor(None, sys.stdin.read)
    told = server.told()
    print(json.dumps({"stalls": [vars(stall) for stall in told.stalls], "took_s": told.took_s}), flush=True)
    os._exit(0)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """Of the selectors only select(2) waits to the microsecond; epoll and uvloop count in milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(_serve(Serving(**cast("dict[str, float]", json.loads(sys.argv[1])))))  # type: ignore[arg-type]
