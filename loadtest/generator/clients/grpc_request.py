"""Writes a payload as the message of TensorFlow Serving's gRPC predict call. Needs protobuf."""

import struct

from loadtest.generator.clients.grpc_messages import DATA_TYPES, PredictRequest
from loadtest.generator.payload import CODES, Payload, Tensor


def grpc_body_of(payload: Payload, model_name: str) -> bytes:
    """The request; each input's values are in `tensor_content`."""
    request = PredictRequest(model_spec={"name": model_name, "signature_name": payload.signature})
    for each in payload.inputs:
        tensor = request.inputs.add(key=each.name).value
        tensor.dtype = DATA_TYPES[each.dtype]
        for length in each.shape:
            tensor.tensor_shape.dim.add(size=length)
        tensor.tensor_content = _content(each)
    serialised: bytes = request.SerializeToString()
    return serialised


def _content(tensor: Tensor) -> bytes:
    if tensor.stored == tensor.dtype:
        return tensor.data
    values = tensor.values
    return struct.pack(f"<{len(values)}{CODES[tensor.dtype]}", *values)
