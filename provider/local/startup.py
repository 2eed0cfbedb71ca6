"""The start of the local server: its ports must be free, and it has started when it has loaded the model."""

import json
import socket
import time
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Self

import psutil

from analysis.results.schema.manifest import Computation
from provider.local.server_process import ProcessIdentity, listening_pid, log_tail, start_again
from provider.resource import Operation, ResourceError
from serving.servers import server_named

LOOPBACK = "127.0.0.1"
_POLL_S = 0.25
_NOT_MEASURED = "so nothing was measured; correct the cause, and run `pulumi up` again"


def require_free_port(setting: str, port: int) -> None:
    """Raises ResourceError, which names the process, where something listens on the port."""
    with socket.socket() as probe:
        # As the servers themselves do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            pid = listening_pid(port)
            holder = f"process {pid} ({psutil.Process(pid).name()})" if pid else "another process"
            raise ResourceError(
                f"shapebench:local.{setting} is {port}, and {holder} listens there already, so the server cannot start;"
                f" stop that process, or choose another port: pulumi config set --path shapebench:local.{setting}"
                f" {port + 10}"
            ) from None


@dataclass(frozen=True)
class Readiness:
    """A server has to answer 200 at `ready_url` within so many seconds."""

    ready_url: str
    timeout_s: float

    @classmethod
    def of(cls, server: str, model_name: str, rest_url: str, timeout_s: float) -> Self:
        """Of the server with this name."""
        return cls(rest_url + server_named(server).ready_path(model_name), timeout_s)


def wait_until_serving(process: ProcessIdentity, log: Path, readiness: Readiness, operation: Operation) -> None:
    """Wait until the server is ready. Raises ResourceError with the end of its log; the server is then stopped."""
    try:
        _wait_until_ready(process, log, readiness, operation)
    except BaseException:
        process.stop()
        raise


def restart(server: ProcessIdentity, log: Path, readiness: Readiness, operation: Operation) -> ProcessIdentity:
    """Stop a server, and start it with the same arguments; returns the new process once it serves.

    Raises ResourceError where it does not; then no server runs.
    """
    try:
        process = start_again(server, log)
    except (OSError, psutil.Error) as error:
        raise ResourceError(
            f"the server could not be restarted: {error}. The next `pulumi up` starts it, and runs the load test again"
        ) from error
    wait_until_serving(process, log, readiness, operation)
    return process


def computation_of(metadata_url: str) -> Computation | None:
    """What a server that converts the model says of its computation; None of a server that says nothing."""
    try:
        with urllib.request.urlopen(metadata_url, timeout=5) as answer:  # noqa: S310 - http on the loopback
            metadata = json.load(answer).get("metadata", {})
    except (OSError, HTTPException, ValueError):
        return None
    return Computation.model_validate(metadata["computation"]) if "computation" in metadata else None


def _wait_until_ready(process: ProcessIdentity, log: Path, readiness: Readiness, operation: Operation) -> None:
    started = time.monotonic()
    while not _is_ready(readiness.ready_url):
        elapsed_s = time.monotonic() - started
        operation.status("waiting for the server to load the model")
        if not process.alive:
            raise ResourceError(f"the server ended before it served the model, {_NOT_MEASURED}. {_end_of(log)}")
        if elapsed_s > readiness.timeout_s:
            raise ResourceError(
                f"the server did not serve within shapebench:local.startTimeoutS ({readiness.timeout_s:g} s) and was"
                f" stopped; give it longer, or find the cause in its log. {_end_of(log)}"
            )
        if operation.cancelled.wait(_POLL_S):
            raise ResourceError("the update was cancelled while the server started, so the server was stopped")


def _end_of(log: Path) -> str:
    return f"Its log ({log}) ends:\n{log_tail(log)}"


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http on the loopback
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, HTTPException):  # another program may listen there
        return False
