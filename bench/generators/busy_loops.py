"""Programs that use a core each: what a busy machine is to a load test."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.servers.processes import process

# A loop ends with the benchmark, however that ends, and after so many seconds in any case.
_MOST_S = 7200
_LOOP = """
import os, sys, time
parent, end_s = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while os.getppid() == parent and time.monotonic() < end_s:
    for _ in range(100_000):
        pass
"""


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Run so many until the end of the block."""
    command = [sys.executable, "-S", "-c", _LOOP, str(os.getpid()), str(_MOST_S)]
    with ExitStack() as running:
        for _ in range(count):
            running.enter_context(process(command))
        yield


@contextmanager
def bursts(count: int, busy_s: float, quiet_s: float) -> Iterator[None]:
    """Run so many again and again, with pauses, until the end of the block; the first pause comes first."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(quiet_s):
            with busy_loops(count):
                over.wait(busy_s)

    thread = threading.Thread(target=run, name="bursts")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
