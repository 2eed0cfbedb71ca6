"""Real gRPC servers that answer as a test's script says."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

RIGHT = predict_pb2.PredictResponse()
RIGHT.outputs["probabilities"].dtype = 1
for _size in (1, 3):
    RIGHT.outputs["probabilities"].tensor_shape.dim.add(size=_size)
RIGHT.outputs["probabilities"].float_val.extend([0.25, 0.5, 0.25])

Script = Callable[[grpc.ServicerContext, int], predict_pb2.PredictResponse]


def answer_rightly(_: grpc.ServicerContext, __: int) -> predict_pb2.PredictResponse:
    return RIGHT


class ScriptedGrpcServer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Notes every request, the connection that it came on, and how many it answered at the same time at most."""

    def __init__(self, script: Script, address: str = "127.0.0.1:0") -> None:
        self._script = script
        self._lock = threading.Lock()
        self.bodies: list[predict_pb2.PredictRequest] = []
        self.connections: list[str] = []
        self.most_at_once = self._now_at_once = 0
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(address)
        self._server.start()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def Predict(  # noqa: N802 - named by the protocol
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        with self._lock:
            self.bodies.append(request)
            self.connections.append(context.peer())
            number = len(self.bodies) - 1
            self._now_at_once += 1
            self.most_at_once = max(self.most_at_once, self._now_at_once)
        try:
            return self._script(context, number)
        finally:
            with self._lock:
                self._now_at_once -= 1

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
