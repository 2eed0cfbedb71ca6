"""Maps a function over many runs, in as many processes as there are cores."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context, parent_process
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Starting a process and importing what it needs takes as long as reading a run or two of a million rows.
_FEWEST = 8


def for_each(do: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Call `do` with each item and return the results in order. `do`, items and results are pickled.

    With few items all calls are in this process, since other processes take time to start.
    """
    cores = os.cpu_count() or 1
    if len(items) < _FEWEST or cores < 2:
        return [do(item) for item in items]
    return list(_workers(cores).map(do, items))


@cache
def _workers(processes: int) -> ProcessPoolExecutor:
    """The processes stay until this process ends, so that the next call need not import and compile again."""
    # Spawned, not forked: pyarrow and the drawing of charts have threads, whose locks a fork would copy as they are.
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin)


def _begin() -> None:
    # Ctrl-C reaches all processes of the group; the parent ends the others, so they print no traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # There is a worker per core: numpy's threads in each would compete for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A worker of a process that was killed would wait for its next item for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent  # a worker has one
    parent.join()
    os._exit(1)
