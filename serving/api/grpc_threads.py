"""The quota of `--grpc_max_threads`: a call that finds no thread is refused at once, as gRPC's C++ server does."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health

# Threads beside the quota: they receive bodies, refuse calls and answer health checks, none of which may wait for one.
_BESIDE = 32
# kServerThreadpoolExhausted, server_cc.cc of grpc/grpc; its code is RESOURCE_EXHAUSTED.
_DETAILS = "Server Threadpool Exhausted"

Handled = Callable[[Any, grpc.ServicerContext], Any]


def thread_pool(threads: int) -> ThreadPoolExecutor:
    """A pool for the calls that `ThreadQuota(threads)` admits, and for those that it refuses."""
    return ThreadPoolExecutor(threads + _BESIDE, thread_name_prefix="grpc")


class ThreadQuota(grpc.ServerInterceptor):  # type: ignore[misc] # untyped package
    """Of N threads one waits for the next call, so at most N - 1 calls are in flight: thread_manager.cc of grpc/grpc.

    Predictions and the model service share the threads. Health checks have none of them: C++ answers those in callbacks
    (default_health_check_service.cc).
    """

    def __init__(self, threads: int) -> None:
        self._free = threading.Semaphore(threads - 1)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(f"/{health.SERVICE_NAME}/"):
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._within_quota(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def _within_quota(self, handle: Handled) -> Handled:
        def handle_or_refuse(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any message
            # Counted here, not when the call arrives: one that its caller gives up before this never comes here.
            if not self._free.acquire(blocking=False):
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, _DETAILS)
            try:
                return handle(request, context)
            finally:
                self._free.release()

        return handle_or_refuse
