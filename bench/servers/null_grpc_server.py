"""A gRPC server that does nothing: it takes a call and answers a prediction of real size at once."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

from loadtest.generator.clients.grpc_messages import DT_FLOAT, PredictResponse

_CLASSES = 1000

# More than the users of any benchmark here, or their calls would wait for one another.
_THREADS = 16


def prediction(batch: int = 1) -> bytes:
    """A right answer as ResNet50 gives it: probabilities as float32."""
    response = PredictResponse()
    tensor = response.outputs.add(key="resnet50").value
    tensor.dtype = DT_FLOAT
    for size in (batch, _CLASSES):
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend([(1 + index) / 500500 for index in range(_CLASSES)] * batch)
    serialised: bytes = response.SerializeToString()
    return serialised


class _Null(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc leaves it without types
    """Answers every method the same, and looks at no request."""

    def __init__(self) -> None:
        answer = prediction()
        self._handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:  # noqa: ARG002
        return self._handler


def _serve() -> None:
    options = [("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[_Null()], options=options)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    # Ends with whoever started it: its standard input closes then.
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve()
