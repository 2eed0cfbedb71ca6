"""A null server with queues: workers, a service time and a programmed stall. It logs the time each request takes."""

import asyncio
import json
import math
import os
import random
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

# The server works by the monotonic clock; generators record seconds of the epoch.
_EPOCH_MINUS_MONOTONIC_S = time.time() - time.monotonic()


@dataclass(frozen=True)
class QueueSettings:
    """How the server serves. Service times are log-normal with the coefficient of variation `service_cv`, or all equal.

    The stall begins `stall_after_s` after the first request arrived; 0 s means no stall. Each connection is that of one
    of `replicas` queues, chosen at random, as kube-proxy chooses a pod.
    """

    workers: int = 1
    service_s: float = 0.0
    stall_after_s: float = 0.0
    stall_s: float = 0.0
    service_cv: float = 0.0
    replicas: int = 1


@dataclass
class QueueServer:
    """A server in its own process.

    Its log is there when it has ended: its stalls, in seconds of the epoch, how long each request took in it, and how
    many requests each replica answered.
    """

    port: int
    stalls: list[Stall] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def queue_server(settings: QueueSettings) -> Iterator[QueueServer]:
    command = [sys.executable, "-m", "bench.servers.queue_server", json.dumps(vars(settings))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = QueueServer(int(process.stdout.readline()))
        try:
            yield server
        finally:
            log = json.loads(process.communicate()[0])
        server.stalls = [Stall(began_s + _EPOCH_MINUS_MONOTONIC_S, lasts_s) for began_s, lasts_s in log["stalls"]]
        server.took_s, server.answered = log["took_s"], log["answered"]


class _Server:
    def __init__(self, settings: QueueSettings) -> None:
        self._settings = settings
        self._answer = http_answer()
        self._random = random.Random(1)  # noqa: S311 (a simulation)
        self._queues: list[Queue] = []
        self._stalls: list[Stall] = []
        self._took_s: list[float] = []
        self._answered = [0] * settings.replicas

    def new_protocol(self) -> NullProtocol:
        """For a new connection."""
        return NullProtocol(partial(self._on_request, self._random.randrange(self._settings.replicas)))

    def _on_request(self, replica: int, transport: asyncio.Transport) -> None:
        arrived_s = time.monotonic()
        if not self._queues:
            if self._settings.stall_s:
                self._stalls = [Stall(arrived_s + self._settings.stall_after_s, self._settings.stall_s)]
            workers, service_s = self._settings.workers, self._settings.service_s
            self._queues = [Queue(workers, service_s, self._stalls) for _ in self._answered]
        self._answered[replica] += 1
        end_s = self._queues[replica].end_s(arrived_s, self._service_s())
        if end_s > arrived_s:
            asyncio.get_running_loop().call_at(end_s, self._send, transport, arrived_s)
        else:
            self._send(transport, arrived_s)

    def _service_s(self) -> float:
        variance = math.log(1 + self._settings.service_cv**2)
        return self._settings.service_s * self._random.lognormvariate(-variance / 2, math.sqrt(variance))

    def log(self) -> str:
        return json.dumps(
            {
                "stalls": [(stall.began_s, stall.lasts_s) for stall in self._stalls],
                "took_s": self._took_s,
                "answered": self._answered,
            }
        )

    def _send(self, transport: asyncio.Transport, arrived_s: float) -> None:
        self._took_s.append(time.monotonic() - arrived_s)
        transport.write(self._answer)


async def _serve(settings: QueueSettings) -> None:
    loop = asyncio.get_running_loop()
    server = _Server(settings)
    listening = await loop.create_server(server.new_protocol, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    # The parent closes standard input, or ends, to stop the server.
    await loop.run_in_executor(None, sys.stdin.read)
    print(server.log(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    # select(2) waits to the microsecond; epoll and uvloop round to milliseconds.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(QueueSettings(**cast("dict[str, float]", json.loads(sys.argv[1])))))  # type: ignore[arg-type]
