"""The sidecar of the generator's pod: keeps the generator's files until they are fetched. Standard library only.

The generator may end or be killed; its files stay readable until `release`, or until the sidecar's time is over. During
the test the sidecar also reads the servers' counters. It answers commands that run in its container, and GET requests
that carry the run's token: `GET /read/locust-0.csv/0/1000` is the command `read FOLDER locust-0.csv 0 1000`.
"""

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from loadtest.generator.monitoring.counters import append_counters, counters_written
from loadtest.generator.plan import INTERRUPT_FILE, MASTER_FILE, PLAN_VARIABLE, LoadTestPlan

# The environment variables that hold the address of the pod and the token of the run, and the header with the token.
ADDRESS_VARIABLE = "SHAPEBENCH_SIDECAR_ADDRESS"
TOKEN_VARIABLE = "SHAPEBENCH_SIDECAR_TOKEN"  # noqa: S105 - a name
TOKEN_HEADER = "X-Shapebench-Token"  # noqa: S105 - a name

# Files whose existence means that all rows have been fetched, or that the generator is to end.
_MARKERS = {"release": "released", "interrupt": INTERRUPT_FILE}

_POLL_S = 0.5
_REQUEST_TIMEOUT_S = 30.0

# How long the files are kept after the pod's SIGTERM, in seconds: less than its grace period.
SECONDS_AFTER_TERM = 30.0


def keep(folder: Path, keep_s: float) -> None:
    """Wait for the release, for `keep_s` at most, and after a SIGTERM for `SECONDS_AFTER_TERM` at most."""
    deadline = time.monotonic() + keep_s

    def shorten(*_: object) -> None:
        nonlocal deadline
        deadline = min(deadline, time.monotonic() + SECONDS_AFTER_TERM)

    signal.signal(signal.SIGTERM, shorten)
    # The sidecar has time for this, and a CPU share of its own.
    with counters_written(LoadTestPlan.from_environment()) if PLAN_VARIABLE in os.environ else nullcontext():
        while not (folder / _MARKERS["release"]).exists() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


@contextmanager
def requests_answered(folder: Path, address: str, port: int, token: str) -> Iterator[None]:
    """Inside it threads answer GET requests that carry the token."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            given = self.headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given.encode("latin-1", "replace"), token.encode()):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            try:
                text = answer(folder, *self.path.strip("/").split("/")).encode()
            except (ValueError, OSError):
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True

    with Server((address, port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="requests", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def answer(folder: Path, *command: str) -> str:
    """The answer to a command, in `match` below; raises ValueError for others.

    `master` has the generator of several pods begin, and `interrupt` has it write its rows and end, as Ctrl-C does.
    """
    match command:
        case ["list"]:
            if PLAN_VARIABLE in os.environ:  # the generator has ended: these are the servers' last counters
                append_counters(LoadTestPlan.from_environment())
            return listing(folder)
        case ["read", file, offset, count] if file in {path.name for path in _results(folder)}:
            return part(folder / file, int(offset), int(count))
        case ["clock"]:
            return repr(time.time())
        case ["master", address, port]:
            if PLAN_VARIABLE in os.environ:  # all pods are prepared: from here on the servers count only the test
                plan = LoadTestPlan.from_environment()
                Path(plan.counters_path).unlink(missing_ok=True)
                append_counters(plan)
            # Under its name only when it is whole: another container waits for it.
            (folder / f"{MASTER_FILE}.part").write_text(f"{address} {port}")
            (folder / f"{MASTER_FILE}.part").rename(folder / MASTER_FILE)
            return ""
        case ["interrupt" | "release" as marker]:
            (folder / _MARKERS[marker]).touch()
            return ""
    raise ValueError(
        f"the sidecar does not know `{' '.join(command)}`; give list, read FILE OFFSET COUNT, clock, master"
        " ADDRESS PORT, interrupt or release, with a FILE that it lists"
    )


def listing(folder: Path) -> str:
    """`{name: [bytes, sha256]}` of every file of results in the folder, as JSON."""
    return json.dumps({path.name: _size_and_digest(path) for path in _results(folder)})


def _results(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv"))


def _size_and_digest(path: Path) -> tuple[int, str]:
    # A file may still grow, so both are of the bytes that are read.
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def part(path: Path, offset: int, count: int) -> str:
    """At most `count` bytes from `offset` on, compressed, as text."""
    with path.open("rb") as file:
        file.seek(offset)
        return base64.b64encode(zlib.compress(file.read(count))).decode()


def unpacked(text: str) -> bytes:
    """The bytes that `part` packed; raises ValueError where they are not complete."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as cause:
        raise ValueError(f"a part of a file arrived damaged from the sidecar: {cause}") from cause


def main(command: str, folder: str, *arguments: str) -> None:
    """`keep FOLDER SECONDS PORT`, or print the `answer` to a command: `COMMAND FOLDER ARGUMENT …`."""
    if command == "keep":
        keep_s, port = arguments
        with requests_answered(Path(folder), os.environ[ADDRESS_VARIABLE], int(port), os.environ[TOKEN_VARIABLE]):
            keep(Path(folder), float(keep_s))
        return
    try:
        print(answer(Path(folder), command, *arguments))
    except ValueError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
