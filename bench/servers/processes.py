"""Starts the servers of benchmarks as processes; each ends with its block."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.figures import BUILD
from serving.servers import EMBEDDED_SERVER, Apis, Server, command_of, write_config_files
from stacks.server.request_threads import RequestThreads
from stacks.server.serving_variant import ServingVariant

_START_TIMEOUT_S = 180
_MOST_IN_FLIGHT = 256
_ROOT = Path(__file__).parents[2]
# Held until this process ends.
_GIVEN: list[socket.socket] = []
_NULL = {"rest": ("bench.servers.null_server", "http"), "grpc": ("bench.servers.null_grpc_server", "grpc")}


@contextmanager
def embedded(model: Path, threads: int, server: Server = EMBEDDED_SERVER) -> Iterator[dict[str, int]]:
    """Run a server of this project with an exported model, `threads` intra-op and as many inter-op threads.

    Those that take requests are for as many vCPUs, and for any load of the benchmarks.

    Its ports are by protocol.
    """
    ports = {"rest": free_port(), "grpc": free_port()}
    variant = ServingVariant(protocol="rest", intra_op=threads, inter_op=threads)
    taking = RequestThreads.of(variant.batching, threads, _MOST_IN_FLIGHT)
    apis = Apis(rest_port=ports["rest"], grpc_port=ports["grpc"], rest_threads=taking.rest, grpc_threads=taking.grpc)
    write_config_files(server, variant, BUILD)
    command = command_of(
        server,
        variant,
        apis,
        model_name=model.name,
        model_base_path=model,
        config_dir=BUILD,
    )
    with ready(
        command,
        f"http://127.0.0.1:{ports['rest']}{server.ready_path(model.name)}",
        f"serving-{server.facts.setting}.log",
    ):
        yield ports


@contextmanager
def null(protocol: str = "rest") -> Iterator[tuple["subprocess.Popen[Any]", str]]:
    """Run a null server, which answers each prediction correctly and at once: its process and its URL."""
    module, scheme = _NULL[protocol]
    with process([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT) as server:
        assert server.stdout is not None
        yield server, f"{scheme}://127.0.0.1:{int(server.stdout.readline())}"


@contextmanager
def ready(command: list[str], status_url: str, log_name: str) -> Iterator[None]:
    """Run a server and wait until `status_url` answers 200. Raises RuntimeError, naming the log, if it does not."""
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / log_name
    with log.open("w") as output, process(command, stdout=output, stderr=subprocess.STDOUT) as server:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not _answers(status_url):
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{command[1:4]} is not ready; see its log: {log}")
            time.sleep(0.2)
        yield


@contextmanager
def process(command: list[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:  # noqa: ANN401 - Popen's own
    """Run a process until the end of the block."""
    # Without a copy, a process that one thread starts reads the environment while pytest changes it in another: EFAULT.
    with subprocess.Popen(command, **{"env": os.environ.copy(), **options}) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(timeout=20)
            except subprocess.TimeoutExpired:
                started.kill()


def free_port() -> int:
    """A port of the loopback on which nothing listens now, and which no other call gives while this process runs.

    Below the ports that the kernel gives to programs that ask for any: one of those could take it meanwhile.
    """
    while True:
        address = "127.0.0.1", random.SystemRandom().randrange(20_000, 30_000)
        # A server binds the TCP port of this number; the UDP port says that it is given away.
        given = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe:
            try:
                given.bind(address)
                probe.bind(address)
            except OSError:
                given.close()
                continue
        _GIVEN.append(given)
        return address[1]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - on the loopback
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False
