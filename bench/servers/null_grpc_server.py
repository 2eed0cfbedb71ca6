"""A null gRPC server: it answers each call at once with a prediction of real size."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

from bench.servers.null_server import CLASSES, PROBABILITIES
from loadtest.generator.clients.grpc.messages import DATA_TYPES, PredictResponse

# More threads than users in any benchmark, so that no call waits for another.
_THREADS = 16


def prediction(batch: int = 1) -> bytes:
    """A correct answer of ResNet50: probabilities as float32."""
    response = PredictResponse()
    tensor = response.outputs.add(key="resnet50").value
    tensor.dtype = DATA_TYPES["float32"]
    for size in (batch, CLASSES):
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(PROBABILITIES * batch)
    serialised: bytes = response.SerializeToString()
    return serialised


def _serve() -> None:
    answer, options = prediction(), [("grpc.max_receive_message_length", -1)]
    predict = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": predict})
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[service], options=options)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    # The parent closes standard input, or ends, to stop the server.
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve()
