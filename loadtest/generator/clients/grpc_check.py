"""Checks a gRPC answer: message, type, shape, every number finite. Needs protobuf."""

import math
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from loadtest.generator.clients.client import once_examined
from loadtest.generator.clients.grpc_messages import DT_FLOAT, PredictResponse


class GrpcCheck:
    """Checks serialised predict responses against the expected shape; the model has one output."""

    def __init__(self, expected_shape: tuple[int, int]) -> None:
        """`expected_shape` is (images in the request, classes of the model)."""
        self._shape = list(expected_shape)
        self.error_of = once_examined(self._examine)

    def _examine(self, content: bytes) -> str | None:
        try:
            outputs = PredictResponse.FromString(content).outputs
        except DecodeError:
            return "not_protobuf"
        if len(outputs) != 1:
            return "bad_shape"
        tensor = outputs[0].value
        if tensor.dtype != DT_FLOAT:
            return "not_numbers"
        if [dim.size for dim in tensor.tensor_shape.dim] != self._shape:
            return "bad_shape"
        return self._error_of_values(tensor)

    def _error_of_values(self, tensor: Any) -> str | None:  # noqa: ANN401 - its class is made at run time
        values: Sequence[float] = tensor.float_val
        if tensor.tensor_content:
            if len(tensor.tensor_content) % 4:
                return "bad_shape"
            # In the machine's byte order, as TensorFlow writes it; nobody serves on a big-endian one.
            values = memoryview(tensor.tensor_content).cast("f")
        if len(values) != math.prod(self._shape):
            return "bad_shape"
        return None if all(map(math.isfinite, values)) else "not_finite"
