"""KServe's Python server with a model. It runs in an environment of its own, without our packages."""

import sys
from typing import Any

import grpc.aio
import numpy as np
import uvicorn
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid

WEIGHTS = np.array([[0.5, -1.0], [0.25, 2.0], [1.5, 0.125]], np.float32)


class Scores(Model):
    """Scores of numbers and of the length of a text, which it gives back as the label."""

    def __init__(self) -> None:
        super().__init__("scores")
        self.load()

    def get_input_types(self) -> list[dict[str, Any]]:
        return [
            {"name": "x", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "text", "datatype": "BYTES", "shape": [-1]},
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        return [
            {"name": "scores", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ]

    def predict(self, payload: InferRequest, headers: Any = None) -> InferResponse:  # noqa: ARG002 - theirs
        inputs = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        # As bytes from gRPC, as text from REST.
        texts = [text.decode() if isinstance(text, bytes) else text for text in inputs["text"]]
        arrays = {
            "scores": inputs["x"] @ WEIGHTS + np.array([[len(text)] for text in texts], np.float32),
            "label": np.array(texts, np.object_),
        }
        datatypes = {output["name"]: output["datatype"] for output in self.get_output_types()}
        outputs = [
            InferOutput(name, list(array.shape), datatypes[name], array.ravel().tolist())
            for name, array in arrays.items()
        ]
        return InferResponse(
            payload.id or generate_uuid(),
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def listen_on_loopback() -> None:
    """KServe listens on every interface and has no option to change that: protocol/{rest,grpc}/server.py of 0.21.0."""
    configure, new_server = uvicorn.Config.__init__, grpc.aio.server

    def configure_on_loopback(self: uvicorn.Config, *arguments: Any, **options: Any) -> None:
        configure(self, *arguments, **{**options, "host": "127.0.0.1"})

    def server_on_loopback(*arguments: Any, **options: Any) -> grpc.aio.Server:
        server = new_server(*arguments, **options)
        bind = server.add_insecure_port
        server.add_insecure_port = lambda address: bind(f"127.0.0.1:{address.rpartition(':')[2]}")
        return server

    uvicorn.Config.__init__ = configure_on_loopback
    grpc.aio.server = server_on_loopback


if __name__ == "__main__":
    listen_on_loopback()
    ModelServer(http_port=int(sys.argv[1]), grpc_port=int(sys.argv[2])).start([Scores()])
