"""The sidecar of the generator's pod: keeps the generator's files until they are fetched. Standard library only.

The generator may end or be killed; its files stay readable until `release`, or until the sidecar's time is over. During
the test the sidecar also reads the servers' counters.
"""

import base64
import hashlib
import json
import os
import signal
import sys
import time
import zlib
from contextlib import nullcontext
from pathlib import Path

from loadtest.generator.monitoring.counters import counters_written
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan

# The file whose existence means that everything has been fetched.
_RELEASED = "released"

_POLL_S = 0.5

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
        while not (folder / _RELEASED).exists() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def listing(folder: Path) -> str:
    """`{name: [bytes, sha256]}` of every file in the folder, as JSON."""
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    return json.dumps({name: [len(held), hashlib.sha256(held).hexdigest()] for name, held in contents.items()})


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
        raise ValueError(f"not what the sidecar sent: {cause}") from cause


def main(command: str, path: str, *numbers: str) -> None:
    """One of `keep FOLDER SECONDS`, `list FOLDER`, `read FILE OFFSET COUNT`, `release FOLDER`, `clock FOLDER`."""
    match command:
        case "keep":
            keep(Path(path), float(numbers[0]))
        case "list":
            print(listing(Path(path)))
        case "read":
            print(part(Path(path), *map(int, numbers)))
        case "release":
            (Path(path) / _RELEASED).touch()
        case "clock":
            print(repr(time.time()))
        case _:
            raise SystemExit(f"the sidecar has no command {command}; give keep, list, read, release or clock")


if __name__ == "__main__":
    main(*sys.argv[1:])
