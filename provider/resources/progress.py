"""A load test's progress in the engine's display."""

import time
from collections.abc import Callable

from loadtest.result.outcome import Progress
from provider.resource import Operation

_LASTING_LINE_EVERY_S = 10.0


def reporter(operation: Operation) -> Callable[[Progress], None]:
    """Every report replaces the last one on a terminal; one in ten seconds stays, for a log to have them."""
    last_lasting_s = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last_lasting_s
        operation.show(_line(progress))
        if time.monotonic() - last_lasting_s >= _LASTING_LINE_EVERY_S:
            last_lasting_s = time.monotonic()
            operation.say(_line(progress))

    return report


def _line(progress: Progress) -> str:
    p50 = "no answer yet" if progress.p50_ms is None else f"p50 {progress.p50_ms:.0f} ms"
    return (
        f"{progress.elapsed_s:.0f} s of {progress.total_s:.0f} s, {progress.phase or 'starting'}:"
        f" {progress.users} users, {progress.rps:.1f} requests/s, {p50},"
        f" {progress.errors} of {progress.requests} failed"
    )
