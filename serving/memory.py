"""Gives freed memory back to the kernel, which glibc does only for the end of a heap."""

import ctypes
import gc
from contextlib import suppress


def trim() -> None:
    """Does nothing where the C library is not glibc."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def return_memory() -> None:
    """Trim what no object needs any more; of what loading ResNet50 frees, hundreds of MiB are copies of its graph."""
    gc.collect()
    trim()
