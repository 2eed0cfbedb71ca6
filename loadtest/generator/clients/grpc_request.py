"""Writes a photograph as the message of TensorFlow Serving's gRPC predict call. Needs protobuf."""

import struct

from loadtest.generator.clients.grpc_messages import DT_FLOAT, PredictRequest
from loadtest.generator.clients.rest_request import CHANNELS, SIDE

# The name of the model's input; a test compares it with serving.export.resnet50.
INPUT = "image_input"


def grpc_body_of(pixels: bytes, model_name: str, batch: int = 1) -> bytes:
    """The request with the photograph `batch` times: float32 in `tensor_content`, 0.6 MB per image.

    `pixels` is uint8 [224, 224, 3] in row-major order. Raises ValueError where they are not one image.
    """
    size = SIDE * SIDE * CHANNELS
    if len(pixels) != size:
        raise ValueError(f"{len(pixels)} bytes are not one image, which has {SIDE} x {SIDE} x {CHANNELS} bytes")
    request = PredictRequest(model_spec={"name": model_name, "signature_name": "serving_default"})
    tensor = request.inputs.add(key=INPUT).value
    tensor.dtype = DT_FLOAT
    for length in (batch, SIDE, SIDE, CHANNELS):
        tensor.tensor_shape.dim.add(size=length)
    tensor.tensor_content = struct.pack(f"<{size}f", *pixels) * batch
    serialised: bytes = request.SerializeToString()
    return serialised
