"""The clocks of a journal: one for elapsed time, one for the time between two processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def _elapsed_s() -> float:
    """Seconds that pass also while the machine is suspended, since the stacks are billed meanwhile; Linux has these."""
    boot_time: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@dataclass(frozen=True)
class Clock:
    """`elapsed_s` never goes back, and counts from anywhere; `wall_s` is the Unix time, which somebody may set."""

    elapsed_s: Callable[[], float]
    wall_s: Callable[[], float]


MACHINE = Clock(_elapsed_s, time.time)
