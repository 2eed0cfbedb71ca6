"""The quota of `--grpc_max_threads`: a call that finds no thread is refused at once, as gRPC's C++ server does."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from serving.request_memory import MOST_WAITING

# Threads beside the quota: those of calls that wait for memory, and others that receive messages, refuse calls and
# answer health checks, none of which may wait for one.
_BESIDE = MOST_WAITING + 32
# kServerThreadpoolExhausted, server_cc.cc of grpc/grpc; its code is RESOURCE_EXHAUSTED.
_DETAILS = "Server Threadpool Exhausted"


def thread_pool(threads: int) -> ThreadPoolExecutor:
    """A pool for the calls that `ThreadQuota(threads)` admits, and for those that it refuses."""
    return ThreadPoolExecutor(threads + _BESIDE, thread_name_prefix="grpc")


class ThreadQuota:
    """Of N threads one waits for the next call, so at most N - 1 calls are in flight: thread_manager.cc of grpc/grpc.

    Predictions and the model service share the threads.
    """

    def __init__(self, threads: int) -> None:
        self._free = threading.Semaphore(threads - 1)

    @contextmanager
    def thread(self, context: grpc.ServicerContext, *, needed: bool) -> Iterator[None]:
        """A thread for the block, if it needs one; refuses the call where none is left."""
        # Counted here, not when the call arrives: one that its caller gives up before this never comes here.
        if needed and not self._free.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, _DETAILS)
        try:
            yield
        finally:
            if needed:
                self._free.release()
