"""Does the same for each of many runs, in as many processes as there are cores: runs do not depend on each other."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Starting a process and importing what it needs takes as long as reading a run or two of a million rows.
_FEWEST = 8


def for_each(do: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """`do` for each item, in order. `do` is importable and what it takes and returns can be pickled.

    Few items are done here, since it takes a while until other processes are ready.
    """
    processes = min(os.cpu_count() or 1, len(items) // 2)
    if len(items) < _FEWEST or processes < 2:
        return [do(item) for item in items]
    # Spawned, not forked: DuckDB and the drawing of charts have threads, whose locks a fork would copy as they are.
    with ProcessPoolExecutor(processes, get_context("spawn"), _leave_interrupts_to_the_parent) as pool:
        try:
            return list(pool.map(do, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches the whole group; the parent ends it, and the others need not say so, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
