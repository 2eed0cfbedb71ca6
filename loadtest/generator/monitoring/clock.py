"""One clock for all rows: set from the wall clock once, it never jumps or runs backwards afterwards."""

import time

_WALL_MINUS_COUNTER_S = time.time() - time.perf_counter()


def epoch_s(counter_s: float) -> float:
    """A reading of the performance counter as seconds of the epoch."""
    return _WALL_MINUS_COUNTER_S + counter_s


def counter_s(epoch_s: float) -> float:
    """Seconds of the epoch as a reading of the performance counter."""
    return epoch_s - _WALL_MINUS_COUNTER_S


def now_us() -> int:
    """The time now, in microseconds of the epoch."""
    return round(epoch_s(time.perf_counter()) * 1e6)


def wall_clock_moved_s() -> float:
    """How far the machine's wall clock was set since this process began; slewing moves both clocks alike."""
    return time.time() - time.perf_counter() - _WALL_MINUS_COUNTER_S
