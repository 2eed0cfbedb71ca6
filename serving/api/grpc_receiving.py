"""Receives the message of a gRPC call only when there is memory for it.

gRPC's core reads a message beyond its stream's flow control window only when the server asks for it (recv_message of
call.h; `StreamFlowControl::UpdateProgress` in flow_control.cc of grpc/grpc then adds the rest of the message to the
window). A handler of one message is called with the message; a handler of a stream is called before it, and asks. A
client cannot tell one from the other, so every handler is made one of a stream whose first message is read. The core
has a budget, too, but Python cannot set it: `grpc.resource_quota` is a pointer to what `grpc_resource_quota_create`
makes, and grpcio's library exports no function of the core.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health

from serving.api.grpc_threads import ThreadQuota
from serving.errors import ServingError
from serving.request_memory import RequestMemory, too_slow

# With the probe, the core makes the window of every stream as large as the connection is fast (PeriodicUpdate in
# flow_control.cc of grpc/grpc), and so reads whole messages before the server asks for them.
SMALL_WINDOWS = (("grpc.http2.bdp_probe", 0),)
# The message, and Python's copy of it.
_COPIES = 2

Requests = Iterator[bytes]


class Receiver(grpc.ServerInterceptor):  # type: ignore[misc] # untyped package
    """Asks `memory` for the largest message, receives the call's, and keeps as much as that takes until its answer.

    Predictions and the model service then need a thread of `quota`. Health checks have none of them: C++ answers those
    in callbacks (default_health_check_service.cc of grpc/grpc).
    """

    def __init__(self, memory: RequestMemory, quota: ThreadQuota, max_message_bytes: int) -> None:
        self._memory = memory
        self._quota = quota
        self._max_message_bytes = max_message_bytes

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        if handler.response_streaming:  # grpc.health.v1.Health.Watch
            return grpc.stream_stream_rpc_method_handler(
                self._streamed(handler), response_serializer=handler.response_serializer
            )
        is_health = handler_call_details.method.startswith(f"/{health.SERVICE_NAME}/")
        return grpc.stream_unary_rpc_method_handler(
            self._answered(handler, needs_thread=not is_health), response_serializer=handler.response_serializer
        )

    def _answered(
        self, handler: grpc.RpcMethodHandler, *, needs_thread: bool
    ) -> Callable[[Requests, grpc.ServicerContext], Any]:
        def answer(requests: Requests, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any message
            with (
                _aborting(context),
                self._received(requests, context) as message,
                self._quota.thread(context, needed=needs_thread),
            ):
                return handler.unary_unary(_parsed(message, handler, context), context)

        return answer

    def _streamed(self, handler: grpc.RpcMethodHandler) -> Callable[[Requests, grpc.ServicerContext], Iterator[Any]]:
        def answers(requests: Requests, context: grpc.ServicerContext) -> Iterator[Any]:
            with self._received(requests, context) as message:
                request = _parsed(message, handler, context)
            yield from handler.unary_stream(request, context)

        return answers

    @contextmanager
    def _received(self, requests: Requests, context: grpc.ServicerContext) -> Iterator[list[bytes]]:
        """The message of a call in a list, from which its reader takes it, so that no frame keeps it."""
        refusal = too_slow()

        def end_call() -> None:
            # `context.cancel()` has no status to send; this is what it calls.
            context._rpc_event.call.cancel(  # noqa: SLF001 - see above
                grpc.StatusCode[refusal.code.name].value[0], refusal.message
            )

        with _aborting(context):
            part = self._memory.ask(_COPIES * self._max_message_bytes, lose=end_call).result()
        try:
            message = [next(requests)]
            part.arrived(len(message[0]))
            yield message
        except StopIteration:
            # As gRPC answers for a handler of one message, `_unary_request` in _server.py.
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "The call requires exactly one request message.")
        finally:
            part.give_back()


@contextmanager
def _aborting(context: grpc.ServicerContext) -> Iterator[None]:
    """Answer a ServingError of the block with its status code. `abort` raises, which ends the handler."""
    try:
        yield
    except ServingError as error:
        context.abort(grpc.StatusCode[error.code.name], error.message)


def _parsed(message: list[bytes], handler: grpc.RpcMethodHandler, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any message
    try:
        return handler.request_deserializer(message.pop())
    except ServingError:
        raise
    except Exception:  # noqa: BLE001 - whatever the parser raises, and as gRPC answers it, `_receive_message` in _server.py
        context.abort(grpc.StatusCode.INTERNAL, "Exception deserializing request!")
