"""Servers that benchmarks run beside themselves: ready when they are entered, ended when they are left."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from serving.command import server_command
from stacks.serving_variant import ServingVariant

BUILD = Path("build/bench")
_START_TIMEOUT_S = 180
_ROOT = Path(__file__).parents[2]
_NULL = {"rest": ("bench.servers.null_server", "http"), "grpc": ("bench.servers.null_grpc_server", "grpc")}


@dataclass(frozen=True)
class Ports:
    """Where a server listens."""

    rest: int
    grpc: int


@contextmanager
def embedded(model: Path, ports: Ports, threads: int) -> Iterator["subprocess.Popen[Any]"]:
    """Run the embedded server with an exported model, with `threads` threads of both kinds; yields its process."""
    command = server_command(
        None,
        model_name=model.name,
        model_base_path=model,
        rest_port=ports.rest,
        grpc_port=ports.grpc,
        variant=ServingVariant(protocol="rest", intra_op=threads, inter_op=threads),
    )
    with ready(command, f"http://127.0.0.1:{ports.rest}/v1/models/{model.name}", "serving-embedded.log") as server:
        yield server


@contextmanager
def null(protocol: str = "rest") -> Iterator[tuple["subprocess.Popen[Any]", str]]:
    """A server that answers every prediction of that protocol rightly and at once: its process, and where it is."""
    module, scheme = _NULL[protocol]
    with process([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT) as server:
        assert server.stdout is not None
        yield server, f"{scheme}://127.0.0.1:{int(server.stdout.readline())}"


@contextmanager
def ready(command: list[str], status_url: str, log_name: str) -> Iterator["subprocess.Popen[Any]"]:
    """A server whose `status_url` answers; raises RuntimeError, with where its log is, where that does not come."""
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / log_name
    with log.open("w") as output, process(command, stdout=output, stderr=subprocess.STDOUT) as server:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not _answers(status_url):
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{command[1:4]} did not get ready; its log is {log}")
            time.sleep(0.2)
        yield server


@contextmanager
def process(command: list[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:  # noqa: ANN401 - Popen's own
    """A process that does not outlive the block."""
    with subprocess.Popen(command, **options) as started:
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(timeout=20)
            except subprocess.TimeoutExpired:
                started.kill()


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - on the loopback
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False
