"""Does the same for each of many runs, in as many processes as there are cores: runs do not depend on each other."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
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
    cores = os.cpu_count() or 1
    if len(items) < _FEWEST or cores < 2:
        return [do(item) for item in items]
    tasks = [_workers(cores).submit(do, item) for item in items]
    try:
        return [task.result() for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


@cache
def _workers(processes: int) -> ProcessPoolExecutor:
    """They stay until this process ends: what they imported and compiled serves the next who asks, too."""
    # Spawned, not forked: Arrow and the drawing of charts have threads, whose locks a fork would copy as they are.
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin)


def _begin() -> None:
    """Before a worker imports what it needs."""
    # Ctrl-C reaches the whole group; the parent ends it, and the others need not say so, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Every core has its worker: threads of numpy's in each would wait for each other, busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
